"""compose.yaml confines its containers and sets the number of proxies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

COMPOSE = yaml.safe_load((Path(settings.BASE_DIR) / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (Path(settings.BASE_DIR) / "Dockerfile").read_text()
OURS = {name for name, service in SERVICES.items() if "build" in service}
RIGHTS = {"proxy": ["NET_BIND_SERVICE"]}
"""The capabilities of each container."""

EXACT = re.compile(r"[a-z/]+:\d+\.\d+(\.\d+)?-[a-z0-9.-]+(@sha256:[0-9a-f]{64})?")


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_the_rights_it_needs_and_no_more(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == RIGHTS.get(name, [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not service.get("privileged")
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in volume]


@pytest.mark.parametrize("name", SERVICES)
def test_nobody_is_root_who_has_no_need_to_be(name: str) -> None:
    service = SERVICES[name]
    if name in OURS:
        assert "\nUSER pantheon\n" in DOCKERFILE
        assert "user" not in service
    elif name not in RIGHTS:
        assert service["user"] not in ("root", "0")


def test_images_are_pinned() -> None:
    images = [service["image"] for name, service in SERVICES.items() if name not in OURS]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.M)
    assert len(images) >= 5
    for image in images:
        assert EXACT.fullmatch(image), image


@pytest.mark.parametrize("name", sorted(OURS))
def test_the_proxy_is_counted_whatever_the_address(name: str) -> None:
    assert SERVICES[name]["environment"]["PANTHEON_PROXIES"] == "${PANTHEON_PROXIES:-1}"


def test_nothing_but_the_proxy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
