"""Format the templates with djangofmt, or check their format and the length of their lines.

    bin/lib/templates.py [--check] [files or directories]

djangofmt has no check of its own: --check formats a copy and prints how it differs. It never breaks a template tag,
so lines can stay too long; those are named.
"""

import difflib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from native import native

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
MAX_COLUMNS = 120


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        wrong = [*wrong_formats(TEMPLATES), *long_lines(TEMPLATES)]
        print("".join(f"{line}\n" for line in wrong), end="")
        return int(bool(wrong))
    return format_templates(arguments or [str(TEMPLATES)])


def format_templates(paths: list[str]) -> int:
    command = [native("djangofmt"), "--quiet", *paths]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def wrong_formats(directory: Path) -> list[str]:
    """Return the lines that formatting would change, as a diff, or what djangofmt complains about."""
    with tempfile.TemporaryDirectory(prefix="pantheon-") as temporary:
        copy = Path(temporary) / directory.name
        shutil.copytree(directory, copy)
        shutil.copy(ROOT / "pyproject.toml", temporary)
        formatted = subprocess.run(
            [native("djangofmt"), directory.name], cwd=temporary, check=False, capture_output=True, text=True
        )
        if formatted.returncode:
            return [formatted.stderr]
        return [
            line
            for path in templates_in(directory)
            for line in diff(path, copy / path.relative_to(directory))
        ]


def diff(path: Path, formatted: Path) -> list[str]:
    before, after = path.read_text().splitlines(), formatted.read_text().splitlines()
    name = str(path.relative_to(path.parents[1]))
    return list(difflib.unified_diff(before, after, name, f"{name} formatted", n=1, lineterm=""))


def long_lines(directory: Path) -> list[str]:
    return [
        f"{path}:{number}: {len(line)} columns, more than {MAX_COLUMNS}"
        for path in templates_in(directory)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]


def templates_in(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.html"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
