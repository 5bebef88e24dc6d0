"""Sliding-window counts: in memory, in Redis, and in memory while Redis is unreachable."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sessions.tests.support.redis_process import RedisProcess
from web.cache import MemoryCache, Outage, SharedCache
from web.windows import Count, RateWindow

ROOT = Path(__file__).resolve().parents[2]
NOW_MS = 1_800_000_000_000
MINUTE_S, HOUR_S = 60, 3600


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with RedisProcess(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def shared(redis_server: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> SharedCache:
    monkeypatch.setattr("web.cache.outage", Outage())
    cache = SharedCache(redis_server.url, {})
    cache.clear()
    cache.local.clear()
    return cache


@pytest.fixture
def memory() -> MemoryCache:
    cache = MemoryCache("of a test", {})
    cache.clear()
    return cache


@pytest.fixture(params=["memory", "shared"])
def cache(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def passed(counts: Sequence[Count]) -> int:
    return sum(count.counted for count in counts)


def at_once(cache: Any, times: int, limits: dict[int, int], now_ms: int) -> list[Count]:
    """Count requests of one caller at the same time, each in its own thread."""
    barrier = threading.Barrier(times)

    def count() -> Count:
        barrier.wait(timeout=30)
        answer: Count = cache.count_request("alice", limits, now_ms)
        return answer

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # else a thread often finishes before the next starts
    try:
        with ThreadPoolExecutor(max_workers=times) as threads:
            return [future.result() for future in [threads.submit(count) for _ in range(times)]]
    finally:
        sys.setswitchinterval(interval_s)


def test_of_many_at_the_same_moment_exactly_the_limit_passes(cache: Any) -> None:
    for minute in range(10):
        counts = at_once(cache, 50, {MINUTE_S: 10}, NOW_MS + minute * MINUTE_S * 1000)
        assert passed(counts) == 10
        assert sorted(count.windows[0].remaining for count in counts if count.counted) == list(range(10))


def test_requests_refused_by_the_minute_do_not_count_for_the_hour(cache: Any) -> None:
    limits = {MINUTE_S: 10, HOUR_S: 15}
    assert passed(at_once(cache, 50, limits, NOW_MS)) == 10
    later_ms = NOW_MS + MINUTE_S * 1000
    assert passed(at_once(cache, 50, limits, later_ms)) == 5
    refused = cache.count_request("alice", limits, later_ms)
    assert refused == Count(False, [RateWindow(10, 5, MINUTE_S), RateWindow(15, 0, HOUR_S - MINUTE_S)])
    assert refused.wait_s == HOUR_S - MINUTE_S


def test_processes_count_together(shared: SharedCache, redis_server: RedisProcess) -> None:
    script = f"""
import sys
import django
django.setup()
from web.cache import SharedCache
cache = SharedCache({redis_server.url!r}, {{}})
cache.get("connected")
print("ready", flush=True)
sys.stdin.readline()
print(sum(cache.count_request("alice", {{60: 10}}, {NOW_MS}).counted for _ in range(20)))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert sum(int(process.communicate(timeout=30)[0]) for process in processes) == 10


STEPS = st.tuples(
    st.integers(-2_000, 40_000),  # clocks of two machines differ
    st.dictionaries(st.sampled_from([10, 60, 600]), st.integers(1, 6), min_size=1),
)


@given(steps=st.lists(STEPS, max_size=40))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_redis_and_memory_count_alike(
    shared: SharedCache, memory: MemoryCache, steps: list[tuple[int, dict[int, int]]]
) -> None:
    shared.clear()
    memory.clear()
    now_ms = NOW_MS
    for by_ms, limits in steps:
        now_ms += by_ms
        count = memory.count_request("alice", limits, now_ms)
        assert count == shared.count_request("alice", limits, now_ms)
        assert count.counted == (count.wait_s is None)
        assert all(0 <= window.remaining < window.limit or not count.counted for window in count.windows)


def test_callers_are_counted_apart_and_forgotten(shared: SharedCache, redis_server: RedisProcess) -> None:
    assert shared.count_request("alice", {MINUTE_S: 1, HOUR_S: 1}, NOW_MS).counted
    assert shared.count_request("bob", {MINUTE_S: 1}, NOW_MS).counted
    with redis_server.client() as client:
        left_s = {key.rpartition(":")[2]: client.ttl(key) for key in client.scan_iter()}
    assert left_s.keys() == {"alice", "bob"}
    assert MINUTE_S < left_s["alice"] <= HOUR_S
    assert 0 < left_s["bob"] <= MINUTE_S


def test_no_more_moments_are_kept_than_count(shared: SharedCache, redis_server: RedisProcess) -> None:
    for number in range(30):
        shared.count_request("alice", {MINUTE_S: 3}, NOW_MS + number * 30_000)
    with redis_server.client() as client:
        (key,) = client.keys()
        assert client.llen(key) == 2


def test_requests_share_connections(shared: SharedCache, redis_server: RedisProcess) -> None:
    """Django makes a cache object for each request."""
    shared.get("connected")
    with redis_server.client() as client:
        before = client.info("stats")["total_connections_received"]
        for _ in range(5):
            assert SharedCache(redis_server.url, {}).count_request("alice", {MINUTE_S: 9}, NOW_MS).counted
        assert client.info("stats")["total_connections_received"] == before


def test_without_redis_the_process_counts_for_itself_until_redis_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("web.cache.outage", Outage())
    limits = {MINUTE_S: 3}
    with RedisProcess(tmp_path) as server:
        cache = SharedCache(server.url, {})
        cache.local.clear()
        assert cache.count_request("alice", limits, NOW_MS).windows[0].remaining == 2
        server.freeze()  # connections stay, nothing is answered
        left = [cache.count_request("alice", limits, NOW_MS).windows[0].remaining for _ in range(4)]
        assert left == [2, 1, 0, 0]
        server.kill()
        server.start()  # restarted without script and counts
        monkeypatch.setattr("web.cache.GONE_FOR_S", 0.0)
        monkeypatch.setattr("web.cache.outage", outage := Outage())
        outage.begin(OSError())
        counts = [cache.count_request("alice", limits, NOW_MS) for _ in range(4)]
        assert passed(counts) == 3
        with server.client() as client:
            assert [client.llen(key) for key in client.scan_iter()] == [3]
    assert "the Redis cache is unreachable, rate limits now count per process" in caplog.text
    assert "the Redis cache is reachable again" in caplog.text
