"""A bad request takes one log line, whatever it contains."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.tests.support.admin_site import static_files_as_they_are
from accounts.tests.support.clients import make_user
from pantheon.config.logs import FORMATS, REFUSED_CHARS, logging_config

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


@pytest.fixture(params=FORMATS)
def lines(request: pytest.FixtureRequest) -> Iterator[Callable[[], list[str]]]:
    """Log in each format; calling it returns the lines so far, without the line per request."""
    stream = io.StringIO()
    config = logging_config(log_format=request.param, level="WARNING")
    config["loggers"]["pantheon.requests"]["level"] = "WARNING"
    config["handlers"]["console"]["stream"] = stream
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    logging.config.dictConfig(config)
    yield lambda: stream.getvalue().splitlines()
    root.handlers[:] = kept
    root.setLevel(level)


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("host", ["evil.example", "x" * 8_000, "a\\nb", "é", "a b"])
def test_a_refused_host(lines: Callable[[], list[str]], host: str) -> None:
    assert Client(headers={"host": host}).get("/sign-in").status_code == 400
    (line,) = lines()
    assert "django.security.DisallowedHost" in line
    assert len(line) < REFUSED_CHARS + 300


@pytest.mark.parametrize(
    "address",
    [
        "/admin/chat_sessions/message/?text__startswith=a",
        "/admin/chat_sessions/message/?html__contains=a",
        "/admin/chat_sessions/turn/?user__password__startswith=x",
        "/admin/chat_sessions/message/?text__%E2%80%A8ERROR%20forged%C2%9B31m=x",
        "/admin/chat_sessions/message/?text__" + "a" * 5_000 + "=x",
    ],
)
def test_a_refused_filter(lines: Callable[[], list[str]], staff: Client, address: str) -> None:
    assert staff.get(address).status_code == 400
    (line,) = lines()
    assert "django.security.DisallowedModelAdminLookup" in line
    assert line.isprintable()
    assert len(line) < REFUSED_CHARS + 300


def test_a_form_of_too_many_fields(lines: Callable[[], list[str]]) -> None:
    response = Client().post("/sign-in", {f"field{number}": "x" for number in range(1_100)})
    assert response.status_code == 400
    (line,) = lines()
    assert "django.security.TooManyFieldsSent" in line


@pytest.mark.parametrize("address", ["/setup/{}", "/invite/{}", "/reset-password/1/{}"])
def test_the_secret_of_a_one_time_link(lines: Callable[[], list[str]], address: str) -> None:
    Client(enforce_csrf_checks=True).post(address.format("s3cr3t-of-the-link"))
    assert any("[secret]" in line for line in lines())
    assert "s3cr3t" not in "".join(lines())


def test_what_breaks_in_us_keeps_its_traceback(lines: Callable[[], list[str]]) -> None:
    try:
        raise ValueError("no good")
    except ValueError:
        logging.getLogger("pantheon").exception("It broke.")
    assert "Traceback" in "".join(lines())


def test_an_unknown_host_is_logged_with_the_setting_that_allows_it(
    lines: Callable[[], list[str]], settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "[::1]"]
    Client(headers={"host": "192.168.1.22:8000"}).get("/sign-in")
    (line,) = lines()
    assert "set PANTHEON_ALLOWED_HOSTS=localhost,[::1],192.168.1.22 and restart" in line
