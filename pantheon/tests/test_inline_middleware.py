"""What runs on the web server's event loop in place of Django's middlewares does what they do."""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

from pantheon.inline_middleware import INLINE, InlineHandler


def test_each_middleware_of_others_has_one_that_runs_inline() -> None:
    others = [name for name in settings.MIDDLEWARE if not name.startswith("pantheon.")]
    assert list(INLINE) == others
    for name, inline in INLINE.items():
        assert issubclass(import_string(inline), import_string(name))


def test_the_settings_stay_as_they_are_named() -> None:
    before = list(settings.MIDDLEWARE)
    InlineHandler()
    assert before == settings.MIDDLEWARE
