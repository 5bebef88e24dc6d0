"""The columns of the token buckets: how many tokens, and what one costs."""

from __future__ import annotations

from orchestration.engine.specs import BUCKETS, INPUT_BUCKETS

INPUT_TOKENS = tuple(f"{bucket}_tokens" for bucket in INPUT_BUCKETS)
BUCKET_TOKENS = tuple(f"{bucket}_tokens" for bucket in BUCKETS)
TOKENS = (*BUCKET_TOKENS, "reasoning_tokens")
"""Also those that are a part of the output, in the order of `Usage`."""

RATES = tuple(f"{bucket}_pico" for bucket in BUCKETS)
