"""The table of kinds, and the files that repeat it because they cannot read it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import hermetic
import pytest

from orchestration.gateway.kinds import DEMO, KINDS, Kind
from orchestration.models import Provider

ROOT = Path(__file__).resolve().parents[3]
WIRES = [kind for kind in KINDS.values() if kind is not DEMO]
SDKS = {kind.sdk for kind in WIRES if kind.sdk}
FROM_THE_START = [kind for kind in WIRES if kind.variables]


def test_sdks_are_imported_by_the_gateway_alone() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [protected] = [contract["protected_modules"] for contract in contracts if contract["type"] == "protected"]
    assert set(protected) == SDKS


def test_sdks_are_required() -> None:
    assert set((ROOT / "requirements.in").read_text("utf-8").splitlines()) >= SDKS


def test_sdks_are_imported_only_when_a_client_is_made() -> None:
    """An import takes a second and 40 MB, in every process."""
    script = (
        "import sys; from orchestration.gateway.kinds import KINDS; import orchestration.gateway.probe; "
        "wires = [kind for kind in KINDS.values() if kind.wire and kind.wire_class()]; "
        "print(len(wires), [kind.sdk for kind in wires if kind.sdk in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == f"{len(WIRES)} []"


@pytest.mark.parametrize("kind", FROM_THE_START, ids=lambda kind: kind.key)
def test_tests_see_no_variable_of_an_sdk(kind: Kind, tmp_path: Path) -> None:
    environment = {f"{kind.variables}_{name}": "x" for name in ("API_KEY", "BASE_URL", "LOG")}
    hermetic.clean(environment, data_dir=str(tmp_path))
    assert not [name for name in environment if name.startswith(f"{kind.variables}_")]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", FROM_THE_START, ids=lambda kind: kind.key)
def test_a_kind_has_a_provider_from_the_start_and_its_variables_are_documented(kind: Kind) -> None:
    provider = Provider.objects.get(name=kind.key)
    names = (f"{kind.variables}_API_KEY", f"{kind.variables}_BASE_URL")
    assert (provider.kind, (provider.key_env, provider.base_url_env)) == (kind.key, names)
    documented = re.findall(r"(?m)^\| `(\w+)`", (ROOT / "docs/settings.md").read_text("utf-8"))
    assert set(names) <= set(documented)
