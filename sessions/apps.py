from django.apps import AppConfig


class ChatSessionsConfig(AppConfig):
    """`django.contrib.sessions` owns the label `sessions`; ours is `chat_sessions`."""

    name = "sessions"
    label = "chat_sessions"
    verbose_name = "Rooms and sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from billing.rooms import use_rooms
        from sessions.selectors.rooms import LivingRooms

        use_rooms(LivingRooms())
