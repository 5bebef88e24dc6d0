"""Store the HTML of answers rendered by an earlier version of Pantheon."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from sessions.services.messages import messages_render


class Command(BaseCommand):
    help = (
        "After an upgrade, render answers whose stored HTML is missing or from an earlier version. Otherwise pages "
        "render them at each view. Can run while Pantheon runs, and can be interrupted."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        count = messages_render()
        self.stdout.write(f"{count} answer{'s' * (count != 1)} rendered.")
