"""Celery, used if REDIS_URL is set: workers run turns, beat schedules the periodic work.

    celery -A pantheon worker    runs up to PANTHEON_WORKER_TURNS turns at once, on one event loop
    celery -A pantheon beat      schedules the jobs of sessions/live/jobs.py

Messages carry only ids, and correctness does not depend on them: the turn's row holds the work, its lease the owner.
Recovery sends lost messages again; a duplicate finds the turn already claimed.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
import uuid
import warnings
from typing import Any
from urllib.parse import parse_qs, urlsplit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pantheon.settings")

import django
from celery import Celery, signals
from celery.beat import Scheduler, SchedulingError
from celery.exceptions import CPendingDeprecationWarning
from django.apps import apps
from django.conf import settings
from django.db import Error as DbError
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from kombu.transport import redis
from prometheus_client import start_http_server
from redis.exceptions import RedisError

from pantheon import lifecycle
from pantheon.config.startup import settings_check, settings_load
from sessions.dispatch import dispatch, use_dispatcher

settings_load()
if not apps.ready:  # in a worker and in beat, which begin here
    django.setup(set_prefix=False)

from sessions.live.jobs import JOBS, Job  # noqa: E402  (needs the models)

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 1.0
ANSWER_TIMEOUT_S = 2.0
UNREACHABLE_FOR_S = 2.0
"""How long no message is sent after a failure, so that requests do not queue up behind a broker's timeouts."""

TASK_THREADS = 4
"""Threads for tasks. Few suffice: a task hands its turn to the event loop and returns."""

PLACE_WAIT_S = 1.0
"""How long a turn waits for a place in a full worker before it is sent to another."""

STOP_S = 10.0

# Celery warns at each lost connection that running tasks continue, which is what we want.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)


def broker_url(url: str) -> str:
    """Convert a Redis URL to Celery's format, which differs for Unix sockets."""
    if not url.startswith("unix:"):
        return url
    parts = urlsplit(url)
    number = parse_qs(parts.query).get("db", ["0"])[0]
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"redis+socket://{user}{parts.path}?virtual_host={number}"


class CapacityQoS(redis.QoS):
    """Take messages only while this worker has places for turns, and leave the rest to other workers.

    Messages are not acknowledged: keeping each in Redis until its task is done costs as much as the rest of Celery.
    Recovery sends a message again if its worker dies.
    """

    def can_consume(self) -> bool:
        from sessions.live.runtime import runtime

        return bool(super().can_consume()) and runtime.has_place()

    def ack(self, delivery_tag: str) -> None:
        """Do nothing. Celery calls this despite `no_ack`; the default costs a round trip and keeps every tag."""


redis.Channel.QoS = CapacityQoS


class MemoryScheduler(Scheduler):
    """Beat's schedule, kept in memory because nothing has to survive. Logs a lost broker only once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._noted = False
        super().__init__(*args, **kwargs)

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if not self._noted:
                log.error("the broker is unreachable: %s", error)
            self._noted = True
        else:
            if self._noted:
                log.warning("the broker is reachable again")
            self._noted = False


def task_name(job: Job) -> str:
    return f"pantheon.{job.name.replace(' ', '_')}"


app = Celery("pantheon")
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED} if settings.REDIS_URL.startswith("rediss:") else None,
    broker_connection_timeout=CONNECT_TIMEOUT_S,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": ANSWER_TIMEOUT_S,
        "socket_keepalive": True,
        "max_retries": 1,
        "interval_start": 0,
        "interval_max": 0,
    },
    result_backend=None,
    task_ignore_result=True,
    task_queues=[Queue("pantheon", no_ack=True)],
    task_default_queue="pantheon",
    task_publish_retry=False,
    task_serializer="json",
    accept_content=["json"],
    worker_pool="threads",
    worker_concurrency=TASK_THREADS,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_scheduler=MemoryScheduler,
    beat_schedule={
        job.name: {
            "task": task_name(job),
            "schedule": job.every_s,
            # What no worker took in its time does not pile up.
            "options": {"expires": 2 * job.every_s},
        }
        for job in JOBS
    },
    timezone="UTC",
)


# --- Dispatch ---------------------------------------------------------------------------------------------------------


class CeleryDispatcher:
    """Send turns to the workers. Recovery sends those for which no message could be sent."""

    def __init__(self) -> None:
        self._unreachable_until_s = 0.0
        self._noted = False

    def submit(self, turn_id: uuid.UUID) -> None:
        if time.monotonic() < self._unreachable_until_s:
            return
        try:
            run_turn.apply_async((str(turn_id),), retry=False)
        except (OperationalError, RedisError, OSError) as error:
            self._unreachable_until_s = time.monotonic() + UNREACHABLE_FOR_S
            if not self._noted:
                log.error("the broker is unreachable, turns wait for it: %s", type(error).__name__)
            self._noted = True
        except Exception:  # the turn is committed and recovery will send it: the request must not fail
            log.exception("could not send a turn to the workers")
        else:
            self._noted = False

    def cancel(self, turn_id: uuid.UUID) -> None:
        """Do nothing: the worker sees the cancel flag within a second, at its next lease renewal."""


# --- Tasks ------------------------------------------------------------------------------------------------------------


@app.task(name="pantheon.run_turn")
def run_turn(turn_id: str) -> None:
    """Run a turn on this process's event loop; send it to another worker if this one is full or stopping."""
    from sessions.live.runtime import runtime

    if not runtime.submit(uuid.UUID(turn_id), wait_s=PLACE_WAIT_S):
        dispatch(uuid.UUID(turn_id))


def job_task(job: Job) -> None:
    """Register a job as a task. Workers log and drop messages of unknown names."""

    @app.task(name=task_name(job))
    def do() -> None:
        job_do(job)


def job_do(job: Job) -> None:
    """Run a job and dispatch the turns it returns. A failure is logged; the next run tries again."""
    from sessions.live.runtime import RuntimeClosed, runtime

    try:
        turn_ids = runtime.in_db(job.run)
    except RuntimeClosed:
        return  # this worker is stopping; beat asks again and another worker does it
    except (DbError, TimeoutError) as error:
        log.error("%s: %s", job.failure, error)
        return
    except Exception:  # logged as the web process does it
        log.exception("%s", job.failure)
        return
    for turn_id in turn_ids or ():
        dispatch(turn_id)


for _job in JOBS:
    job_task(_job)


_stopping: threading.Thread | None = None
"""Hands the turns over after a signal to stop."""


# --- Processes --------------------------------------------------------------------------------------------------------


@signals.setup_logging.connect
def keep_logging(**kwargs: Any) -> None:
    """Keep Django's logging: Celery does not configure its own if this signal has a receiver."""


@signals.beat_init.connect
@signals.worker_init.connect
def check_settings(**kwargs: Any) -> None:
    """Exit if the system checks find an error."""
    settings_check()


@signals.worker_ready.connect
def start_work(**kwargs: Any) -> None:
    from sessions.live.journal import journal_state
    from sessions.live.runtime import runtime

    use_dispatcher(CeleryDispatcher())
    lifecycle.on_stop(hand_over)
    if settings.PANTHEON_METRICS_PORT:
        start_http_server(settings.PANTHEON_METRICS_PORT, addr=os.environ.get("HOST") or "127.0.0.1")
    runtime.in_db(journal_state.open)
    lifecycle.freeze_after_startup()


@signals.worker_shutting_down.connect
def start_stopping(**kwargs: Any) -> None:
    """Start to hand over turns, in a thread because a signal handler must not block."""
    global _stopping
    _stopping = threading.Thread(target=lifecycle.stop, name="hand-over")
    _stopping.start()


@signals.worker_shutdown.connect
def wait_for_hand_over(**kwargs: Any) -> None:
    """Wait until the turns are handed over, before the interpreter shuts down."""
    if _stopping is not None:
        _stopping.join(STOP_S)


def hand_over() -> None:
    """Release this worker's turns and dispatch them to the other workers."""
    from sessions.live.runtime import runtime

    for turn_id in runtime.close():
        dispatch(turn_id)
