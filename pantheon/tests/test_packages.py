"""Packages that a newcomer can survey: few modules, and none too long to read."""

from __future__ import annotations

import pytest
from django.conf import settings

PACKAGES = ("accounts", "billing", "orchestration", "pantheon", "sessions", "web")
MOST_MODULES = 10
MOST_LINES = 400


@pytest.mark.parametrize("package", PACKAGES)
def test_few_modules_stand_beside_the_rooms_of_a_package(package: str) -> None:
    modules = [path.name for path in (settings.BASE_DIR / package).glob("*.py") if path.name != "__init__.py"]
    assert 0 < len(modules) <= MOST_MODULES, modules


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_short(package: str) -> None:
    paths = list((settings.BASE_DIR / package).rglob("*.py"))
    lengths = {
        str(path): len(path.read_text().splitlines()) for path in paths if "migrations" not in path.parts
    }
    assert lengths
    assert {path: length for path, length in lengths.items() if length > MOST_LINES} == {}
