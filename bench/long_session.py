"""Measure how long a long session takes to open, beside a short one.

    .venv/bin/python bench/long_session.py [--messages 2000] [--rounds 30]

Fills a session with 2,000 messages and one with 20, in a room with 200 others: answers in Markdown with code and
tables, a bill for each, a summary that links to messages of all ages. Then requests both pages alternately from the
web server, and opens both alternately in Chromium if there is one (`TEST_CHROMIUM`, else on the PATH): until the page
is parsed (DOMContentLoaded), until it is loaded, and until its composer is ready. On a temporary SQLite file, or with
DATABASE_URL on that PostgreSQL, whose tables it fills. Exits with 1 if a median of the long session is more than 1.5
times that of the short one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accounts.models import User
    from sessions.models import ChatSession

Cookie = dict[str, str]
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bin" / "lib")]
SHORT, OTHERS, ALLOWED = 20, 200, 1.5

ANSWER = """## What {n} comes to

The rent is **USD {n}** a month, see [the offer](https://example.com/{n}); *energy* comes on top of it, about a tenth.
Two things follow from that, and a third one that nobody has asked about yet: who pays when the oven stands still?

| month | rent | energy |
|:------|-----:|-------:|
| 1 | {n} | 90 |
| 2 | {n} | 95 |
| 3 | {n} | 80 |

1. Sign for a year, not for three.
2. Ask for the first month free:
   - the shop has stood empty since spring,
   - the floor must be laid anew.

```python
def rent(months: int, monthly_usd: int = {n}) -> int:
    \"\"\"Return what is paid until the end of a month.\"\"\"
    return sum(monthly_usd for _ in range(months))  # the deposit comes back
```

> A lease is a promise about a room. Promise no more than the room can bear.
"""

READY = """() => {
  const [page] = performance.getEntriesByType("navigation");
  const send = document.querySelector("[data-send]");
  if (!page.loadEventEnd || send.disabled) return null;
  return [page.domContentLoadedEventEnd, page.loadEventEnd, performance.now()];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=2000, help="of the long session (2000)")
    parser.add_argument("--rounds", type=int, default=30, help="of each page, by turns (30)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        sys.exit(inside(arguments.messages, arguments.rounds))
    import hermetic

    with tempfile.TemporaryDirectory(prefix="pantheon-bench-") as data_dir:
        environment = dict(os.environ)
        hermetic.clean(environment, data_dir=data_dir)
        environment.pop("REDIS_URL", None)
        environment |= {"PANTHEON_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "pantheon.settings"}
        sizes = ["--messages", str(arguments.messages), "--rounds", str(arguments.rounds)]
        sys.exit(subprocess.call([sys.executable, __file__, *sizes, "--inside"], env=environment, cwd=ROOT))


def inside(messages: int, rounds: int) -> int:
    """Measure on the environment's database; return 1 if the long session takes too long."""
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    from sessions.tests.support.server_process import ServerProcess

    user, pages = prepare(messages)
    cookie = cookie_of(user)
    print(f"{connection.vendor}, load {os.getloadavg()[0]:.1f}: medians of {rounds}, ms")
    print(f"{'':26}{messages:>9,}{SHORT:>9,}   {messages:,} : {SHORT}")
    data_dir = Path(settings.PANTHEON_DATA_DIR)
    with ServerProcess(data_dir, "", PANTHEON_SECRET_KEY=settings.SECRET_KEY) as server:
        address = f"http://127.0.0.1:{server.port}"
        ratios = report(
            by_turns(pages, rounds, lambda path: response_times(address + path, cookie)), ["answer"]
        )
        chromium = browser_path()
        if chromium is None:
            print("no Chromium: what a browser takes is not measured")
        else:
            ratios += in_browser(chromium, address, cookie, pages, rounds)
    return int(max(ratios) > ALLOWED)


def prepare(messages: int) -> tuple[User, Mapping[str, str]]:
    """Fill the database; return the owner of the sessions, and the paths of the two."""
    from sessions.models import ChatSession
    from sessions.tests.factories import make_agent, make_model, make_room, make_session, make_user

    user, model = make_user("bench"), make_model()
    room = make_room(
        user, *(make_agent(user, key, model) for key in ("ana", "bob", "cy")), goal="Decide well."
    )
    ChatSession.objects.bulk_create(
        ChatSession(owner=user, room=room, title=f"Another talk, the {number}th") for number in range(OTHERS)
    )
    sessions = {"long": make_session(user, room), "short": make_session(user, room)}
    fill(sessions["long"], model, messages)
    fill(sessions["short"], model, SHORT)
    return user, {name: f"/sessions/{session.pk}" for name, session in sessions.items()}


def fill(session: ChatSession, model: Any, messages: int) -> None:
    """Write turns of a question and an answer, and a summary with an item for every tenth of them."""
    from sessions.models import Message, Summary
    from sessions.tests.support.pages import add_turns

    add_turns(session, model, messages // 2)
    answers = list(Message.objects.filter(session=session, role="agent"))
    for answer in answers:
        answer.text = ANSWER.format(n=900 + answer.seq)
    Message.objects.bulk_update(answers, ["text"], batch_size=100)
    facts = [
        {"text": f"Fact number {number}, of message {seq}.", "message_seq": seq, "pinned": False}
        for number, seq in enumerate(range(2, messages, messages // 10))
    ]
    Summary.objects.create(
        session=session, from_seq=1, through_seq=messages, text="Talk of a bakery.", key_facts=facts
    )


def by_turns(
    pages: Mapping[str, str], rounds: int, measure: Callable[[str], list[float]]
) -> dict[str, list[list[float]]]:
    """Return the times of each page in each round, without the first round, which opens connections."""
    durations: dict[str, list[list[float]]] = {name: [] for name in pages}
    for number in range(rounds + 1):
        for name, path in pages.items():
            figures = measure(path)
            if number:
                durations[name].append(figures)
    return durations


def report(durations: Mapping[str, list[list[float]]], names: list[str]) -> list[float]:
    """Print the medians of both pages and their ratios; return the ratios."""
    ratios = []
    for place, name in enumerate(names):
        long, short = (median(figures[place] for figures in durations[page]) for page in ("long", "short"))
        ratios.append(long / short)
        print(f"{name:26}{long:9.1f}{short:9.1f}{long / short:12.2f}")
    return ratios


def cookie_of(user: User) -> Cookie:
    """Return a session cookie that signs a user in."""
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}


def response_times(url: str, cookie: Cookie) -> list[float]:
    """Return the milliseconds until the whole page is loaded."""
    request = urllib.request.Request(url, headers={"Cookie": f"{cookie['name']}={cookie['value']}"})
    begun = time.perf_counter()
    with urllib.request.urlopen(request) as response:
        response.read()
    return [(time.perf_counter() - begun) * 1e3]


def browser_path() -> str | None:
    from sessions.tests.browser.conftest import chromium

    return chromium()


def in_browser(
    chromium: str, address: str, cookie: Cookie, pages: Mapping[str, str], rounds: int
) -> list[float]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        context.add_cookies([{**cookie, "url": address}])
        page = context.new_page()

        def opened(path: str) -> list[float]:
            page.goto(address + path)
            figures: list[float] = page.wait_for_function(READY).json_value()
            return figures

        took = by_turns(pages, rounds, opened)
        browser.close()
    return report(took, ["browser: page read", "browser: loaded", "browser: composer ready"])


if __name__ == "__main__":
    main()
