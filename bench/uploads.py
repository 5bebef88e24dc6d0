"""Measure how long uploads take, what memory they need, and how other requests fare meanwhile.

    .venv/bin/python bench/uploads.py [--files 100] [--at-once 4]

Uploads documents of all kinds to the web server, each a different one: PDF with 40 pages, Word, Excel, PowerPoint, CSV,
and photos with 12 million pixels. Another client reads the list of models all the time. On a temporary SQLite file, or
with DATABASE_URL on that PostgreSQL, whose tables it fills. Exits with 1 if an upload is refused.
"""

from __future__ import annotations

import argparse
import http.client
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bin" / "lib")]
WORDS = "The tenant pays the rent on the first day of each month, and keeps the oven in good repair. "


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100, help="of all kinds together (100)")
    parser.add_argument("--at-once", type=int, default=4, help="uploads at once (4)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        sys.exit(inside(arguments.files, arguments.at_once))
    import hermetic

    with tempfile.TemporaryDirectory(prefix="pantheon-bench-") as data_dir:
        environment = dict(os.environ)
        hermetic.clean(environment, data_dir=data_dir)
        environment.pop("REDIS_URL", None)
        environment |= {"PANTHEON_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": "pantheon.settings"}
        environment |= {"PANTHEON_UPLOADS_PER_MINUTE": "0", "PANTHEON_REQUESTS_PER_MINUTE": "0"}
        command = [sys.executable, __file__, "--files", str(arguments.files)]
        command += ["--at-once", str(arguments.at_once), "--inside"]
        sys.exit(subprocess.call(command, env=environment, cwd=ROOT))


def kinds() -> dict[str, Callable[[int], bytes]]:
    """Return the kinds of documents, each a function that makes the one of a number."""
    from sessions.tests.support import documents

    def rows(number: int) -> list[list[object]]:
        return [["month", "rent"], *([month, 900 + number] for month in range(2_000))]

    return {
        "PDF": lambda number: documents.pdf(*(f"{WORDS}{number}.{page}" for page in range(40))),
        "DOCX": lambda number: documents.docx(*(f"{WORDS}{number}.{line}" for line in range(500))),
        "XLSX": lambda number: documents.xlsx(Rent=rows(number)),
        "PPTX": lambda number: documents.pptx(
            *((f"Slide {slide}", f"{WORDS}{number}") for slide in range(10))
        ),
        "CSV": lambda number: "\n".join(f"{a};{b}" for a, b in rows(number)).encode("latin-1"),
        "photo": lambda number: documents.image("JPEG", (4000, 3000 + number)),
    }


def inside(files: int, at_once: int) -> int:
    import django
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0)
    from sessions.tests.factories import bearer, make_user
    from sessions.tests.support.server_process import ServerProcess

    made = [(kind, make(number)) for number in range(-(-files // 6)) for kind, make in kinds().items()][
        :files
    ]
    print(f"{connection.vendor}, load {os.getloadavg()[0]:.1f}: {len(made)} files, {at_once} at once")
    durations: dict[str, list[float]] = defaultdict(list)
    others: list[float] = []
    with ServerProcess(Path(settings.PANTHEON_DATA_DIR), bearer(make_user("bench"))) as server:
        memory = Memory(server.pid)
        has_ended = threading.Event()
        watchers = [
            threading.Thread(target=read_meanwhile, args=(server, others, has_ended)),
            threading.Thread(target=memory.watch, args=(has_ended,)),
        ]
        for watcher in watchers:
            watcher.start()
        begun_s = time.perf_counter()
        with ThreadPoolExecutor(at_once) as clients:
            statuses = list(clients.map(lambda file: upload(server, *file, durations), made))
        took_s = time.perf_counter() - begun_s
        has_ended.set()
        for watcher in watchers:
            watcher.join()
    report(durations, others)
    print(
        f"{len(made) / took_s:.1f} files a second; memory of the server {memory.server_mb:.0f} MB, ", end=""
    )
    print(f"of the largest conversion {memory.child_mb:.0f} MB")
    return int(set(statuses) != {201})


class Memory:
    """The most memory of the server's processes, and of a converting one."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.server_mb = self.child_mb = 0.0

    def watch(self, has_ended: threading.Event) -> None:
        import psutil

        while not has_ended.wait(0.02):
            server_mb = 0.0
            for process in psutil.Process(self._pid).children(recursive=True):
                try:
                    size_mb = process.memory_info().rss / 2**20
                    is_converter = "sessions.files.converter" in process.cmdline()
                except psutil.Error:
                    continue
                if is_converter:
                    self.child_mb = max(self.child_mb, size_mb)
                else:
                    server_mb += size_mb
            self.server_mb = max(self.server_mb, server_mb)


def upload(server: Any, kind: str, content: bytes, durations: dict[str, list[float]]) -> int:
    """Upload a file; return the status of the answer."""
    head = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    headers = {"Authorization": server.authorization, "Content-Type": "multipart/form-data; boundary=xyz"}
    begun_s = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", "/api/v1/files", head + content + b"\r\n--xyz--\r\n", headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    durations[kind].append(time.perf_counter() - begun_s)
    return answer.status


def read_meanwhile(server: Any, durations: list[float], has_ended: threading.Event) -> None:
    while not has_ended.wait(0.05):
        begun_s = time.perf_counter()
        server.get("models")
        durations.append(time.perf_counter() - begun_s)


def report(durations: dict[str, list[float]], others: list[float]) -> None:
    print(f"{'ms':24}{'median':>9}{'95 %':>9}")
    everything = [seconds for each in durations.values() for seconds in each]
    for name, values in {**durations, "all": everything, "GET models meanwhile": others}.items():
        if len(values) > 1:
            highest = statistics.quantiles(values, n=20)[-1]
            print(f"{name:24}{statistics.median(values) * 1e3:9.0f}{highest * 1e3:9.0f}")


if __name__ == "__main__":
    main()
