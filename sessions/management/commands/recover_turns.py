"""`recover_turns`: finish, in this process, the turns whose own process is gone."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions.live.recovery import Recovery
from sessions.live.runtime import runtime


class Command(BaseCommand):
    help = (
        "Finish turns whose process is gone, without repeating calls that were answered. Safe while servers run; "
        "they also recover turns on their own."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--timeout-s", type=float, default=900.0, metavar="S", help="seconds until giving up (900)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        recovery, count = Recovery(runtime), 0
        try:
            for turn in recovery.run(options["timeout_s"]):
                count += 1
                self.stdout.write(f"{turn.pk} {turn.status}")
        finally:
            runtime.stop()
        self.stdout.write(f"{count} turn{'' if count == 1 else 's'} recovered")
        if recovery.submitted:
            raise CommandError(
                f"Timed out: {len(recovery.submitted)} not finished; other processes will continue them."
            )
