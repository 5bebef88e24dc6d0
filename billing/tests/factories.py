"""Models, prices and metered calls for tests of the ledger."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from billing.models import ModelPrice
from billing.payer import Payer
from billing.services.usage import MeteredCall
from orchestration.engine.specs import Usage, UsageReport
from orchestration.models import LlmModel, Provider

NOON = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
RATES = {
    "input_pico": 2_000_000,
    "cache_read_pico": 200_000,
    "cache_write_5m_pico": 2_500_000,
    "cache_write_1h_pico": 4_000_000,
    "output_pico": 10_000_000,
}
"""USD 2 in, 0.20 cached, 2.50 and 4 written, 10 out, per million tokens."""
USAGE = Usage(input=100, cache_read=50, cache_write_5m=20, cache_write_1h=10, output=30, reasoning=5)
USAGE_PICO = 100 * 2_000_000 + 50 * 200_000 + 20 * 2_500_000 + 10 * 4_000_000 + 30 * 10_000_000


def make_model(alias: str = "test-model", *, priced: bool = True) -> LlmModel:
    provider, _ = Provider.objects.get_or_create(name="test", defaults={"kind": "openai"})
    model = LlmModel.objects.create(
        alias=alias,
        provider=provider,
        model_id=f"{alias}-2026",
        context_window=32_768,
        max_output_tokens=2_048,
    )
    if priced:
        make_price(model)
    return model


def make_price(model: LlmModel, **fields: Any) -> ModelPrice:
    defaults = {"effective_from": NOON - dt.timedelta(days=30), "source": "test", **RATES}
    return ModelPrice.objects.create(model=model, **{**defaults, **fields})


def payer(**fields: Any) -> Payer:
    defaults: dict[str, Any] = {
        "user_id": uuid.UUID(int=1),
        "team_id": uuid.UUID(int=2),
        "team_name": "Legal",
        "token_id": uuid.UUID(int=3),
        "room_id": uuid.UUID(int=4),
        "room_name": "Board",
        "session_id": uuid.UUID(int=5),
        "turn_id": uuid.UUID(int=6),
        "mode": "manual",
    }
    return Payer(**{**defaults, **fields})


def report(
    usage: Usage = USAGE,
    source: Any = "provider",
    *,
    flags: tuple[str, ...] = (),
    cost_usd: str | None = None,
) -> UsageReport:
    return UsageReport(usage, source, {"prompt_tokens": usage.total_input}, flags, cost_usd)


def call(model: LlmModel, **fields: Any) -> MeteredCall:
    """Return a finished call that is not billed yet."""
    defaults: dict[str, Any] = {
        "id": uuid.uuid4(),
        "agent_id": uuid.UUID(int=7),
        "agent_key": "ana",
        "purpose": "reply",
        "round": 1,
        "attempt": 1,
        "provider": "test",
        "model_id": model.pk,
        "model_asked": model.model_id,
        "model_served": f"{model.model_id}-0815",
        "provider_request_id": "req-1",
        "report": report(),
        "bound": Usage(input=10_000, output=2_048),
        "status": "ok",
        "latency_ms": 1200,
        "first_token_ms": 300,
        "ended_at": NOON,
    }
    return MeteredCall(**{**defaults, **fields})
