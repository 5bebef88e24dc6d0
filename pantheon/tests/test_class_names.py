"""A class name means one class, wherever it is read: in an import, a traceback, a search."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from django.conf import settings

PACKAGES = ("accounts", "billing", "bin", "orchestration", "pantheon", "sessions", "web")
APART = {"tests", "migrations"}
GIVEN = {"Command"}
"""Names that Django asks for."""


def public_classes() -> Iterator[tuple[str, str]]:
    """Yield name and place of the classes at the top of modules; an inner class has its outer one's name."""
    for package in PACKAGES:
        for path in sorted((settings.BASE_DIR / package).rglob("*.py")):
            place = path.relative_to(settings.BASE_DIR)
            if APART.isdisjoint(place.parts) and not place.name.startswith("test_"):
                for statement in ast.parse(path.read_text()).body:
                    if isinstance(statement, ast.ClassDef) and not statement.name.startswith("_"):
                        yield statement.name, f"{place}:{statement.lineno}"


def test_no_two_classes_have_the_same_name() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for name, place in public_classes():
        places[name].append(place)
    assert {"ChatSession", "TurnRunner", "CommandRunner"} <= places.keys()
    assert {name: where for name, where in places.items() if len(where) > 1 and name not in GIVEN} == {}
