"""The web process: Django, turns, and the periodic work that keeps them going."""

import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pantheon.settings")

# Static files are read by synchronous middleware; they are small, and this would be said once per process.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

application = get_asgi_application()

from pantheon import lifecycle  # noqa: E402  (needs the settings)
from sessions.dispatch import use_dispatcher  # noqa: E402
from sessions.live.runtime import runtime  # noqa: E402
from sessions.live.stopping import set_stop_check  # noqa: E402

set_stop_check(lifecycle.stopping)
lifecycle.on_stop(runtime.stop)
use_dispatcher(runtime)
runtime.start_recovery()
