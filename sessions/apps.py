from django.apps import AppConfig


class ChatSessionsConfig(AppConfig):
    """`django.contrib.sessions` owns the label `sessions`; ours is `chat_sessions`."""

    name = "sessions"
    label = "chat_sessions"
    verbose_name = "Rooms and sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.backends.signals import connection_created

        from billing.ports import use_rooms
        from sessions.selectors.rooms import ExistingRooms
        from sessions.selectors.search import sqlite_function_add

        use_rooms(ExistingRooms())
        connection_created.connect(sqlite_function_add)
