"""The cache shared by all processes, with a per-process fallback while Redis is unreachable."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from web.windows import WINDOWS_SCRIPT, Count, request_count, script_arguments

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 0.5
ANSWER_TIMEOUT_S = 1.0
GONE_FOR_S = 2.0
"""How long Redis is not asked after a failure, so that requests do not queue up behind timeouts."""

MAX_ENTRIES = 100_000
"""Django's default of 300 would evict the counters of some callers while others are counted."""


class Outage:
    """Whether Redis is considered unreachable. One object per process: each thread has its own cache object."""

    def __init__(self) -> None:
        self._until_s = 0.0
        self._noted = False

    def lasts(self) -> bool:
        return time.monotonic() < self._until_s

    def begin(self, error: Exception) -> None:
        self._until_s = time.monotonic() + GONE_FOR_S
        if not self._noted:
            self._noted = True
            log.error(
                "the Redis cache is unreachable, rate limits now count per process: %s", type(error).__name__
            )

    def end(self) -> None:
        if self._noted:
            self._noted = False
            log.warning("the Redis cache is reachable again")


outage = Outage()


_counting = threading.Lock()
"""Guards read-modify-write of a counter in memory; nothing blocks while it is held."""


class MemoryCache(LocMemCache):
    """The cache in this process's memory."""

    def __init__(self, name: str, params: dict[str, Any]) -> None:
        super().__init__(name, {"max_entries": MAX_ENTRIES, **params})

    def count_request(self, key: str, limits: Mapping[int, int], now_ms: int) -> Count:
        with _counting:
            stored, count = request_count(self.get(key, ()), limits, now_ms)
            if stored is not None:
                self.set(key, stored, max(limits))
        return count


class SharedClient(RedisCacheClient):
    """One client and one pool of connections per process."""

    def __init__(self, server: str) -> None:
        super().__init__(
            [server],
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis: Redis = super().get_client(write=True)
        self.count = self._redis.register_script(WINDOWS_SCRIPT)

    def get_client(self, key: Any = None, *, write: bool = False) -> Redis:
        return self._redis


shared_client = functools.cache(SharedClient)


class CountingRedis(RedisCache):
    """Redis, with a request counted in one round trip."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._server = server

    @property
    def _cache(self) -> SharedClient:
        # Django creates a cache object per request; without sharing, each would open its own connection.
        return shared_client(self._server)

    def count_request(self, key: str, limits: Mapping[int, int], now_ms: int) -> Count:
        reply = self._cache.count([self.make_and_validate_key(key)], script_arguments(limits, now_ms))
        return Count.from_reply(reply, limits)


def with_fallback(name: str) -> Callable[..., Any]:
    """Return a cache method that calls Redis, and the cache in memory while Redis is unreachable."""
    redis_method = getattr(CountingRedis, name)

    def method(self: SharedCache, *args: Any, **kwargs: Any) -> Any:
        if not outage.lasts():
            try:
                answer = redis_method(self, *args, **kwargs)
            except (RedisError, OSError) as error:
                outage.begin(error)
            else:
                outage.end()
                return answer
        return getattr(self.local, name)(*args, **kwargs)

    return method


class SharedCache(CountingRedis):
    """Redis, falling back to memory: without Redis each process counts for itself, and no request fails for it."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self.local = MemoryCache("while-redis-is-gone", params)

    add = with_fallback("add")
    get = with_fallback("get")
    set = with_fallback("set")
    touch = with_fallback("touch")
    delete = with_fallback("delete")
    get_many = with_fallback("get_many")
    set_many = with_fallback("set_many")
    delete_many = with_fallback("delete_many")
    has_key = with_fallback("has_key")
    incr = with_fallback("incr")
    clear = with_fallback("clear")
    count_request = with_fallback("count_request")
