"""The cache that all processes share, and what stands in for it while Redis is gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 0.5
ANSWER_TIMEOUT_S = 1.0
GONE_FOR_S = 2.0
"""After a failure Redis is left alone so long, so that requests do not queue up for it."""


class Outage:
    """What this process knows of the Redis behind its caches; each thread has a cache object of its own."""

    def __init__(self) -> None:
        self._until_s = 0.0
        self._noted = False

    def lasts(self) -> bool:
        return time.monotonic() < self._until_s

    def begin(self, error: Exception) -> None:
        self._until_s = time.monotonic() + GONE_FOR_S
        if not self._noted:
            self._noted = True
            log.error("the cache is gone, each process counts for itself: %s", type(error).__name__)

    def end(self) -> None:
        if self._noted:
            self._noted = False
            log.warning("the cache is back")


outage = Outage()


def either(name: str) -> Callable[..., Any]:
    """Return a method of the cache that asks Redis, or this process's memory while Redis is gone."""
    ask_redis = getattr(RedisCache, name)

    def method(self: SharedCache, *args: Any, **kwargs: Any) -> Any:
        if not outage.lasts():
            try:
                answer = ask_redis(self, *args, **kwargs)
            except (RedisError, OSError) as error:
                outage.begin(error)
            else:
                outage.end()
                return answer
        return getattr(self.local, name)(*args, **kwargs)

    return method


class SharedCache(RedisCache):
    """Redis. Limits go on being kept without it, by each process for itself: requests do not fail for a counter."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        self.local = LocMemCache("while-redis-is-gone", params)
        options = {
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_timeout": ANSWER_TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
            **params.get("OPTIONS", {}),
        }
        super().__init__(server, {**params, "OPTIONS": options})

    add = either("add")
    get = either("get")
    set = either("set")
    touch = either("touch")
    delete = either("delete")
    get_many = either("get_many")
    set_many = either("set_many")
    delete_many = either("delete_many")
    has_key = either("has_key")
    incr = either("incr")
    clear = either("clear")
