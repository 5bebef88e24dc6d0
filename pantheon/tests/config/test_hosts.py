"""A request for a host that is not allowed gets the setting to change, if it comes from this machine."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.tests.support.admin_site import static_files_as_they_are

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db

CURE = "PANTHEON_ALLOWED_HOSTS=localhost,[::1],192.168.1.22"


@pytest.fixture(autouse=True)
def allowed_hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "[::1]"]


def page(address: str = "/sign-in", host: str = "192.168.1.22:8000", **environment: Any) -> str:
    response = Client(headers={"host": host}).get(address, **environment)
    assert response.status_code == 400
    return response.content.decode()


@pytest.mark.parametrize("address", ["/sign-in", "/admin/", "/api/v1/rooms", "/v1/models"])
@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
def test_a_client_on_this_machine_is_told_the_setting(address: str, client: str) -> None:
    assert CURE in page(address, REMOTE_ADDR=client)


def test_so_is_one_that_uses_an_address_of_this_machine_s_network() -> None:
    assert CURE in page(REMOTE_ADDR="192.168.1.22", SERVER_NAME="192.168.1.22")


def test_an_ipv6_address_is_named_as_the_setting_takes_it() -> None:
    assert "localhost,[::1],[fd00::5] and" in page(host="[fd00::5]:8000")


@pytest.mark.parametrize(
    "environment",
    [
        {"REMOTE_ADDR": "192.168.1.40", "SERVER_NAME": "192.168.1.22"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_HOST": "council.example.org"},
    ],
)
def test_others_are_referred_to_the_log(environment: dict[str, str]) -> None:
    shown = page(**environment)
    assert "PANTHEON_ALLOWED_HOSTS" not in shown
    assert "The host 192.168.1.22 is not allowed." in shown


@pytest.mark.parametrize("host", ["x" * 254, "<b>", "a b", "é"])
def test_what_is_no_host_is_not_repeated(host: str) -> None:
    shown = page(host=host)
    assert "could not understand this request" in shown
    assert host not in shown
