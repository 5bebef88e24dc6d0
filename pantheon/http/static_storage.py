"""How static files are stored: compressed, under names that hold their content's hash, ES module imports included."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Name imported modules by their hash too: a browser never runs a new module with an old one from its cache."""

    support_js_module_import_aggregation = True
