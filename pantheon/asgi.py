"""ASGI application of the web process. Without REDIS_URL it also runs turns and recovery."""

import warnings

import django

from pantheon.config.startup import settings_load

# With this exit code gunicorn does not start another worker (gunicorn.arbiter.Arbiter.WORKER_BOOT_ERROR).
settings_load(exit_code=3)

# WhiteNoise's responses without a body are iterators, too; Django would warn about them once per process.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402

from pantheon import lifecycle  # noqa: E402  (needs the settings)
from pantheon.http.body_limit import BodyLimit  # noqa: E402
from pantheon.http.inline_middleware import InlineHandler  # noqa: E402
from pantheon.http.request_threads import SharedThreads  # noqa: E402
from pantheon.http.temporary_files import temporary_files_use  # noqa: E402
from pantheon.http.unread_limit import UnreadLimit  # noqa: E402
from sessions.api.openai_compatible.parsing import largest_completion_body  # noqa: E402
from sessions.api.uploads import MULTIPART_BYTES, max_file_bytes  # noqa: E402
from sessions.dispatch import use_dispatcher  # noqa: E402
from sessions.files.queue import conversions  # noqa: E402
from sessions.live.stopping import set_stop_check  # noqa: E402

temporary_files_use(settings.PANTHEON_DATA_DIR / "temporary")

application = SharedThreads(
    BodyLimit(
        UnreadLimit(InlineHandler()),
        max_bytes=8 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        limit_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        idle_s=settings.PANTHEON_SLOW_REQUEST_S,
        larger={
            "/api/v1/files": max_file_bytes() + MULTIPART_BYTES,
            "/v1/chat/completions": largest_completion_body(),
        },
    ),
    settings.PANTHEON_DB_POOL_SIZE,
    per_user=settings.PANTHEON_REQUESTS_AT_ONCE_PER_USER,
)

set_stop_check(lifecycle.is_stopping)
lifecycle.on_stop(conversions.stop)
if settings.REDIS_URL:
    from pantheon.celery import CeleryDispatcher

    use_dispatcher(CeleryDispatcher())
else:
    from sessions.live.runtime import runtime

    lifecycle.on_stop(runtime.close)
    use_dispatcher(runtime)
    runtime.start_recovery()

lifecycle.freeze_after_startup()
