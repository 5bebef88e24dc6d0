"""The engine runs from a copy of `orchestration/` alone, where no framework or SDK can be imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from orchestration.gateway.kinds import KINDS

PACKAGE = Path(__file__).resolve().parents[1]

IMPORT_ALL = """
import importlib
import pkgutil
import sys

FOREIGN = {
    "django", "rest_framework", "httpx", "httpx2", "psycopg", "redis", "celery", "environ",
    "pantheon", "sessions", "billing", "accounts", *sys.argv[1:],
}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FOREIGN:
            raise ImportError(f"the engine must not import {name}")

sys.meta_path.insert(0, Refuse())
before = set(sys.modules)

import orchestration.engine

modules = [module.name for module in pkgutil.walk_packages(orchestration.engine.__path__, "orchestration.engine.")]
for name in modules:
    importlib.import_module(name)

third_party = {
    name.partition(".")[0]
    for name in set(sys.modules) - before
} - set(sys.stdlib_module_names) - {"orchestration"}
assert not third_party, third_party
print(*sorted(modules), sep="\\n")
"""


def test_the_engine_imports_without_django(tmp_path):
    shutil.copytree(
        PACKAGE, tmp_path / "orchestration", ignore=shutil.ignore_patterns("__pycache__", "tests")
    )
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *(kind.sdk for kind in KINDS.values() if kind.sdk)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    imported = result.stdout.split()
    expected = {f"orchestration.engine.{path.stem}" for path in (PACKAGE / "engine").glob("[!_]*.py")}
    assert expected
    assert expected <= set(imported)
