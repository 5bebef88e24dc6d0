"""Sliding-window rate limits: a request counts in all windows of its caller or, if one is full, in none.

Per caller there is one list of timestamps in milliseconds, oldest first, for all windows. `WINDOWS_SCRIPT` does in
Redis what `request_count` does in memory. Both read, decide and write in one step, so concurrent requests cannot slip
past. Rate-limit libraries count each window separately, so that requests refused by the hour use up the minute, and
need more round trips for the headers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

WINDOWS_SCRIPT = """
-- KEYS[1]: the list. ARGV: now, then length and limit of each window. All times are milliseconds.
local list, now = KEYS[1], tonumber(ARGV[1])
-- Machines' clocks differ a little; a step back would unsort the list, and the binary search below needs it sorted.
now = math.max(now, tonumber(redis.call('LINDEX', list, -1) or 0))
local size = redis.call('LLEN', list)
local counted, longest, most = 1, 0, 0
local answer = {0}
for i = 2, #ARGV, 2 do
  local length, limit = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
  -- Binary search from the newest end: `used` requests are inside the window, the one at `beyond` is not.
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
  -- Lua would write a number of this size as 1.7e+12.
  redis.call('RPUSH', list, string.format('%.0f', now))
  redis.call('LTRIM', list, -most - 1, -1)
  redis.call('PEXPIRE', list, longest)
end
answer[1] = counted
return answer
"""


@dataclass(frozen=True, slots=True)
class RateWindow:
    """The state of one window after a request."""

    limit: int
    remaining: int
    reset_s: int
    """Seconds until the oldest request leaves the window."""


@dataclass(frozen=True, slots=True)
class Count:
    """Whether a request was counted, and the windows in the order of the limits."""

    counted: bool
    windows: list[RateWindow]

    @property
    def wait_s(self) -> int | None:
        """Seconds until a refused request would be counted; None if it was counted."""
        full = (window.reset_s for window in self.windows if not window.remaining)
        return None if self.counted else max(full)

    @classmethod
    def from_reply(cls, reply: Sequence[int], limits: Mapping[int, int]) -> Count:
        """Parse the reply of WINDOWS_SCRIPT: counted (0 or 1), then earlier requests and milliseconds per window."""
        counted, *figures = reply
        return cls(
            bool(counted),
            [
                RateWindow(limit, limit - used - counted, math.ceil(reset_ms / 1000))
                for limit, used, reset_ms in zip(limits.values(), figures[::2], figures[1::2], strict=True)
            ],
        )


class CountingCache(Protocol):
    """A cache that counts a request in all windows in one atomic step."""

    def count_request(self, key: str, limits: Mapping[int, int], now_ms: int) -> Count:
        """Count a request of one caller. `limits`: length of a window in seconds -> requests it allows, at least 1."""
        ...


def script_arguments(limits: Mapping[int, int], now_ms: int) -> list[int]:
    """Return the ARGV for WINDOWS_SCRIPT."""
    return [now_ms, *(figure for length_s, limit in limits.items() for figure in (length_s * 1000, limit))]


def request_count(
    moments: Sequence[int], limits: Mapping[int, int], now_ms: int
) -> tuple[list[int] | None, Count]:
    """Count a request in memory; return the timestamps to store, or None if it was refused, and the count."""
    now_ms = max(now_ms, moments[-1]) if moments else now_ms
    reply, most = [1], 0
    for length_s, limit in limits.items():
        used = min(limit, len(moments) - bisect_right(moments, now_ms - length_s * 1000))
        oldest_ms = moments[-used] if used else now_ms
        if used >= limit:
            reply[0] = 0
        most = max(most, used)
        reply += [used, oldest_ms + length_s * 1000 - now_ms]
    stored = [*moments[len(moments) - most :], now_ms] if reply[0] else None
    return stored, Count.from_reply(reply, limits)
