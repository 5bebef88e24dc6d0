"""The documentation matches the settings and the files."""

from __future__ import annotations

import ast
import re

import pytest
from django.conf import settings

ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def read_by_settings():
    """Return variable -> default (None if it is not a literal) of every `env.<type>("NAME", default=...)`."""
    source = (settings.BASE_DIR / "pantheon" / "settings.py").read_text()
    found = {}
    for call in ast.walk(ast.parse(source)):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env")), args=[ast.Constant(value=str(name)), *_]
            ):
                [default] = [keyword.value for keyword in call.keywords if keyword.arg == "default"]
                found[name] = default.value if isinstance(default, ast.Constant) else None
    return found


def documented():
    """Return variable -> its default in docs/settings.md."""
    text = (settings.BASE_DIR / "docs" / "settings.md").read_text()
    rows = [(name, default) for name, default, _ in ROW.findall(text)]
    assert len(rows) == len(dict(rows)), "a variable has two lines"
    return dict(rows)


def test_every_setting_has_a_line_and_every_line_a_setting():
    code = read_by_settings()
    assert "PANTHEON_LEASE_S" in code
    assert set(code) <= set(documented())
    assert {name for name in documented() if name.startswith("PANTHEON_")} <= set(code)


@pytest.mark.parametrize(
    ("name", "default"),
    [(name, default) for name, default in read_by_settings().items() if isinstance(default, int | float)],
)
def test_the_default_is_the_one_of_the_code(name, default):
    assert documented()[name] == f"`{int(default) if isinstance(default, bool) else default:g}`"


QUOTED = re.compile(r"`([\w./-]+)`|\]\(([\w./-]+)(?:#[\w-]+)?\)")
SUFFIXES = (".py", ".md", ".in", ".toml", ".yaml", ".html", ".js")


def paths_in(name):
    """Return the paths that a Markdown file names: quoted as code, or linked."""
    text = (settings.BASE_DIR / name).read_text()
    found = {quoted or linked for quoted, linked in QUOTED.findall(text)}
    return {path for path in found if "/" in path or path.endswith(SUFFIXES)}


@pytest.mark.parametrize(
    "name",
    ["README.md", "docs/architecture.md", "docs/metering.md"],
)
def test_every_source_file_that_the_documentation_names_exists(name):
    paths = {path for path in paths_in(name) if "/" in path and path.endswith(SUFFIXES)}
    assert paths
    assert {path for path in paths if not (settings.BASE_DIR / path).exists()} == set()


@pytest.mark.parametrize(("name", "least"), [("CONTRIBUTING.md", 80), ("SECURITY.md", 3)])
def test_every_path_that_is_named_exists(name, least):
    paths = paths_in(name)
    assert len(paths) >= least
    in_each_package = {"access.py"}
    assert {path for path in paths - in_each_package if not (settings.BASE_DIR / path).exists()} == set()
