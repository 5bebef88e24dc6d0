"""A browser whose tabs hide each other, on plain HTTP under a host name, as in a home or office network.

Playwright's own browsers show every page as visible and focused, and loopback addresses are secure contexts.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, BrowserType, Page
from processes import dies_with_parent

from sessions.tests.support.server_process import until

HOST = "pantheon.test"
START_S = 120.0
"""Timeout for starting and connecting to a browser while other tests run browsers of their own."""
END_S = 10.0


@contextmanager
def tabbed_browser(
    browser_type: BrowserType, executable: str, flags: list[str], directory: Path
) -> Iterator[BrowserContext]:
    """Run a browser with one window; its profile is in `directory`."""
    command = [
        *(executable, "--headless", *flags),
        *("--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={directory}"),
        f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
    ]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=dies_with_parent(signal.SIGKILL),
    )
    port_file = directory / "DevToolsActivePort"
    try:
        until(lambda: port_file.exists() and "\n" in port_file.read_text(), timeout_s=START_S)
        port, path = port_file.read_text().split()
        address = f"ws://127.0.0.1:{port}{path}"
        browser = browser_type.connect_over_cdp(address, no_defaults=True, timeout=START_S * 1000)
        yield browser.contexts[0]
        browser.close()
    finally:
        process.terminate()
        process.wait(END_S)


def freeze(page: Page) -> None:
    """Freeze a hidden tab's script, as browsers do to save energy; showing the tab resumes it."""
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    session.detach()
