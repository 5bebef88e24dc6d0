"""`purge_deleted [--days N]`: erase items deleted at least N days ago. Periodic work does the same every hour."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from sessions.services.purge import deleted_purge


class Command(BaseCommand):
    help = "Erase sessions, rooms and agents that were deleted days ago. The ledger is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--days", type=int, help="default: PANTHEON_PURGE_AFTER_DAYS")

    def handle(self, *args: Any, **options: Any) -> None:
        days = settings.PANTHEON_PURGE_AFTER_DAYS if options["days"] is None else options["days"]
        if not 0 <= days <= 36_500:
            raise CommandError("--days must be a number from 0 to 36500.")
        purged = deleted_purge(before=timezone.now() - dt.timedelta(days=days))
        self.stdout.write(f"{purged.sessions} sessions, {purged.rooms} rooms, {purged.agents} agents erased.")
