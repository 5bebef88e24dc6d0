"""What the settings are read with."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from pantheon.environment import Environment


@pytest.mark.parametrize("text", ["abc", "", "ten"])
def test_what_is_no_number_is_named(text, monkeypatch):
    monkeypatch.setenv("PANTHEON_SOMETHING", text)
    for read in (Environment().int, Environment().float):
        with pytest.raises(ImproperlyConfigured, match="PANTHEON_SOMETHING must be a number"):
            read("PANTHEON_SOMETHING", default=1)


def test_numbers_and_defaults(monkeypatch):
    monkeypatch.setenv("PANTHEON_SOMETHING", "7")
    assert Environment().int("PANTHEON_SOMETHING", default=1) == 7
    assert Environment().float("PANTHEON_SOMETHING", default=1.0) == 7.0
    assert Environment().int("PANTHEON_SOMETHING_ELSE", default=1) == 1


def test_a_value_in_a_file(tmp_path, monkeypatch):
    path = tmp_path / "value"
    path.write_text("9")
    monkeypatch.setenv("PANTHEON_SOMETHING_FILE", str(path))
    assert Environment().int("PANTHEON_SOMETHING", default=1) == 9
