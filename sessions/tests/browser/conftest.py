"""A real browser with the real server: Chromium, gunicorn on the test database, models on a provider server.

A test uses `page` (not signed in) or `alices` (signed in as Alice). Any complaint of a page fails the test: console
errors, uncaught exceptions, violations of the Content-Security-Policy, and error responses of the server. A test
announces the errors it expects: `watch.expect(422)`.

The browser is `TEST_CHROMIUM`, else `chromium` or `google-chrome` on the PATH; without one these tests are skipped,
and the summary of the run reports it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from accounts.models import User
from orchestration.models import LlmModel
from orchestration.tests.providers import Gate
from sessions.models import ChatSession
from sessions.tests.browser.looking import DESK, SCHEMES, Look, Scheme
from sessions.tests.browser.network import Network, network
from sessions.tests.browser.steps import Opened, address_of, sign_in
from sessions.tests.browser.tabs import HOST, tabbed_browser
from sessions.tests.browser.watching import Watch
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.server_process import ServerProcess

NAMES = ("chromium", "chromium-browser", "google-chrome")
FEATURES_OFF = (
    # The address bar's popups, which nobody sees here: a process for each window, a seventh of all work.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    # Of several lists the last one counts, so these are Playwright's own.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--force-color-profile=srgb",
    f"--disable-features={','.join(FEATURES_OFF)}",
]
PATIENCE_MS = 20_000
"""Timeout for expected changes on a busy machine; no test waits for it to pass."""


def chromium() -> str | None:
    """Return the browser to test with."""
    return os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="package")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the static files as served: hashed and compressed."""
    directory = tmp_path_factory.mktemp("browser")
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "PANTHEON_DATA_DIR": str(directory)},
        check=True,
    )
    return directory


@pytest.fixture(scope="package")
def chrome() -> Iterator[Browser]:
    """One browser for all of these tests.

    Playwright keeps an event loop running in this thread, and Django must be made to ignore it. Both end with the
    package: other tests run loops themselves.
    """
    if chromium() is None:
        pytest.skip("no Chromium on the PATH: the pages are not tested")
    unsafe = pytest.MonkeyPatch()
    unsafe.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield browser
        browser.close()
    unsafe.undo()


@pytest.fixture(scope="package")
def running_server(chrome: Browser, data_dir: Path, django_db_setup: None) -> Iterator[ServerProcess]:
    """One server for all of these tests: starting it takes longer than most of them. It needs the test database."""
    with ServerProcess(
        data_dir,
        "",
        PANTHEON_DATA_DIR=str(data_dir),
        PANTHEON_SECRET_KEY=settings.SECRET_KEY,  # so that a test can sign in without the form
        PANTHEON_PROVIDER_RETRIES="0",
        PANTHEON_TURNS_PER_MINUTE="0",
        PANTHEON_ALLOWED_HOSTS=f"127.0.0.1,{HOST}",
    ) as server:
        yield server


@pytest.fixture
def server(running_server: ServerProcess) -> Iterator[ServerProcess]:
    said_before = len(running_server.log())
    yield running_server
    print(running_server.log()[said_before:])  # noqa: T201  (shown where the test failed)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """All complaints of this test's pages."""
    watch = Watch()
    yield watch
    watch.check()


@pytest.fixture
def open_context(chrome: Browser, server: ServerProcess, watch: Watch) -> Iterator[Opened]:
    """Open isolated browsers: other people, other devices."""
    opened: list[BrowserContext] = []

    def open_(**options: Any) -> BrowserContext:
        usual: dict[str, Any] = {
            "base_url": address_of(server),
            "reduced_motion": "reduce",
            "permissions": ["clipboard-read", "clipboard-write"],
        }
        context = chrome.new_context(**usual | options)
        context.set_default_timeout(PATIENCE_MS)
        watch.over(context)
        opened.append(context)
        return context

    yield open_
    for context in opened:
        context.close()


@pytest.fixture
def between(server: ServerProcess) -> Iterator[Network]:
    """A network before the server. Request it first: pages that outlive it report errors when it ends."""
    with network(server.port) as between:
        yield between


@pytest.fixture
def tabs(between: Network, chrome: Browser, watch: Watch, tmp_path: Path) -> Iterator[BrowserContext]:
    """A browser whose tabs hide each other; it reaches the server through `between`, at `HOST`."""
    executable = chromium()
    assert executable is not None
    with tabbed_browser(chrome.browser_type, executable, FLAGS, tmp_path / "profile") as context:
        context.set_default_timeout(PATIENCE_MS)
        watch.over(context)
        watch.allow("Cross-Origin-Opener-Policy header has been ignored")  # it needs https
        yield context


@pytest.fixture
def page(open_context: Opened) -> Page:
    """A page of a browser that is not signed in."""
    return open_context().new_page()


@pytest.fixture
def alices(open_context: Opened, server: ServerProcess, alice: User) -> Page:
    """A page of a browser that is signed in as Alice."""
    context = open_context()
    sign_in(context, address_of(server), alice)
    return context.new_page()


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> Scheme:
    chosen: Scheme = request.param
    return chosen


@pytest.fixture
def look_as(open_context: Opened, server: ServerProcess, scheme: Scheme) -> Callable[..., Look]:
    """Return a function that opens a `Look`, signed out or signed in as a user."""

    def look(user: User | None = None) -> Look:
        context = open_context(color_scheme=scheme, viewport=DESK)
        if user is not None:
            sign_in(context, address_of(server), user)
        return Look(context.new_page(), scheme)

    return look


@pytest.fixture
def session(alice: User, openai_model: LlmModel) -> ChatSession:
    """A session of Alice in a room with two agents."""
    agents = [make_agent(alice, key, openai_model) for key in ("ana", "bob")]
    return make_session(alice, make_room(alice, *agents))


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A place at which an answer waits; no test leaves it there."""
    gate = Gate()
    yield gate
    gate.open()
