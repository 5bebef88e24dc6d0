"""`erase_user EMAIL --yes`: erase a person; the ledger stays, without their names."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from accounts.management.people import person_of
from accounts.models import User
from sessions.models import Turn
from sessions.services.erase import user_erase, user_stop
from sessions.services.scrub import deleted_scrub
from web.errors import PantheonError, ValidationFailed

POLL_S = 0.2

SCRUB_LATER = "Readers of the database kept its -wal file, which may contain deleted text. Restart Pantheon."


class Command(BaseCommand):
    help = "Erase a user and everything they wrote. The ledger keeps ids and amounts, without names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--yes", action="store_true", help="confirm: this cannot be undone")
        parser.add_argument(
            "--wait-s", type=float, default=60.0, help="seconds to wait for running turns (60)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = person_of(options["email"])
        if not options["yes"]:
            raise CommandError(f"Erasing {user.email} cannot be undone. Add --yes to confirm.")
        try:
            user_stop(user=user)
            wait_for_turns(user, options["wait_s"])
            user_erase(user=user)
        except ValidationFailed as error:
            raise CommandError(" ".join(error.details["fields"]["user"])) from error
        except PantheonError as error:
            raise CommandError(f"{error.message} The account is suspended; run the command again.") from error
        self.stdout.write("Erased.")
        try:
            scrubbed = deleted_scrub(rewrite=True)
        except OperationalError as error:
            raise CommandError(
                f"The database file still contains deleted text: it could not be rewritten ({error}). "
                "Run VACUUM on it, with twice its size in free disk space."
            ) from error
        if not scrubbed:
            self.stderr.write(SCRUB_LATER)


def wait_for_turns(user: User, wait_s: float) -> None:
    """Wait until the turns have ended or the time is over. Other processes run them, so this polls."""
    deadline = time.monotonic() + wait_s
    while Turn.objects.active().filter(user=user).exists() and time.monotonic() < deadline:
        time.sleep(POLL_S)
