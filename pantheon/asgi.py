"""The web process: Django, and the periodic work where no scheduler of its own runs it."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pantheon.settings")

application = get_asgi_application()

from sessions.live.runtime import runtime  # noqa: E402  (needs the apps)

runtime.start_recovery()
