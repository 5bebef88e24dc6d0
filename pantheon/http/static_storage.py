"""Storage of static files: compressed, with content hashes in their names."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also hash the names in ES module imports, so that a browser never mixes new modules with cached old ones."""

    support_js_module_import_aggregation = True
