from typing import Any

from django.apps import AppConfig


class ChatSessionsConfig(AppConfig):
    """`django.contrib.sessions` owns the label `sessions`; ours is `chat_sessions`."""

    name = "sessions"
    label = "chat_sessions"
    verbose_name = "Rooms and sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate

        from billing.ports import use_rooms
        from sessions.selectors.rooms import ExistingRooms

        use_rooms(ExistingRooms())
        # After the permissions of this package, the last one with any.
        post_migrate.connect(create_roles, sender=self)


def create_roles(using: str, apps: Any = None, **about: object) -> None:
    from django.db import DEFAULT_DB_ALIAS

    from accounts.services.roles import roles_create

    # After a migration back to an earlier version there is no table of them.
    is_known = apps is None or "readyrole" in apps.all_models["accounts"]
    if using == DEFAULT_DB_ALIAS and is_known:
        roles_create()
