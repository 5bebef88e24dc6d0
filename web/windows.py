"""Sliding windows over one caller's requests: a request counts in every window or, if one is full, in none.

Requests are kept as their moments in milliseconds, oldest first, in one list for all windows. `WINDOWS_SCRIPT` does in
Redis what `request_count` does in memory: both read, decide and write in one step, so requests at the same moment
cannot slip past. Libraries that count by windows take each window by itself, so that a full hour uses up the minute,
and need further round trips for the headers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

WINDOWS_SCRIPT = """
-- KEYS[1]: the list. ARGV: now, then length and limit of each window. Times are milliseconds.
local list, now = KEYS[1], tonumber(ARGV[1])
-- Clocks of several machines differ a little, and the list is searched as one in order.
now = math.max(now, tonumber(redis.call('LINDEX', list, -1) or 0))
local size = redis.call('LLEN', list)
local counted, longest, most = 1, 0, 0
local answer = {0}
for i = 2, #ARGV, 2 do
  local length, limit = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  local used, beyond = 0, math.min(size, limit) + 1
  while beyond - used > 1 do
    local middle = math.floor((used + beyond) / 2)
    if tonumber(redis.call('LINDEX', list, -middle)) > now - length then used = middle else beyond = middle end
  end
  local oldest = used > 0 and tonumber(redis.call('LINDEX', list, -used)) or now
  if used >= limit then counted = 0 end
  longest, most = math.max(longest, length), math.max(most, used)
  answer[#answer + 1] = used
  answer[#answer + 1] = oldest + length - now
end
if counted == 1 then
  redis.call('RPUSH', list, string.format('%.0f', now))
  redis.call('LTRIM', list, -most - 1, -1)
  redis.call('PEXPIRE', list, longest)
end
answer[1] = counted
return answer
"""


@dataclass(frozen=True, slots=True)
class Window:
    """How full a window is after a request."""

    limit: int
    remaining: int
    reset_s: int
    """Seconds until the oldest request in it no longer counts."""


@dataclass(frozen=True, slots=True)
class Count:
    """What became of a request, and the windows in the order of the limits."""

    counted: bool
    windows: list[Window]

    @property
    def wait_s(self) -> int | None:
        """Seconds until a refused request would be counted."""
        full = (window.reset_s for window in self.windows if not window.remaining)
        return None if self.counted else max(full)

    @classmethod
    def from_reply(cls, reply: Sequence[int], limits: Mapping[int, int]) -> Count:
        """Read a reply of WINDOWS_SCRIPT: whether it counted; requests before and milliseconds of each window."""
        counted, *figures = reply
        return cls(
            bool(counted),
            [
                Window(limit, limit - used - counted, math.ceil(reset_ms / 1000))
                for limit, used, reset_ms in zip(limits.values(), figures[::2], figures[1::2], strict=True)
            ],
        )


class CountingCache(Protocol):
    """A cache that counts requests by windows in one atomic step."""

    def count_request(self, key: str, limits: Mapping[int, int], now_ms: int) -> Count:
        """Count a request of the caller. `limits`: seconds of a window -> how many requests it takes, at least 1."""
        ...


def script_arguments(limits: Mapping[int, int], now_ms: int) -> list[int]:
    """Return ARGV of WINDOWS_SCRIPT."""
    return [now_ms, *(figure for length_s, limit in limits.items() for figure in (length_s * 1000, limit))]


def request_count(
    moments: Sequence[int], limits: Mapping[int, int], now_ms: int
) -> tuple[list[int] | None, Count]:
    """Return the moments with this request, or None if it does not count; and the count."""
    now_ms = max(now_ms, moments[-1]) if moments else now_ms
    reply, most = [1], 0
    for length_s, limit in limits.items():
        used = min(limit, len(moments) - bisect_right(moments, now_ms - length_s * 1000))
        oldest_ms = moments[-used] if used else now_ms
        if used >= limit:
            reply[0] = 0
        most = max(most, used)
        reply += [used, oldest_ms + length_s * 1000 - now_ms]
    kept = [*moments[len(moments) - most :], now_ms] if reply[0] else None
    return kept, Count.from_reply(reply, limits)
