"""Store the HTML of answers rendered by an earlier version of Pantheon."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from sessions.services.messages import messages_render


class Command(BaseCommand):
    help = (
        "Render answers whose stored HTML is missing or of an earlier version, after an upgrade. Pages work without "
        "it, and render those answers at each view. May run while Pantheon does, and be stopped at any time."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        count = messages_render()
        self.stdout.write(f"{count} answer{'s' * (count != 1)} rendered.")
