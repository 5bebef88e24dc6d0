"""Usage of every kind over some months, for tests that compare reports with plain sums."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import Any

from billing.models.rollup_columns import KEY, SUMS
from billing.services.rollup import sums_add
from billing.tests.factories import make_model
from billing.tests.support.daily import TODAY
from orchestration.engine.purposes import PURPOSES
from orchestration.models import Provider

DAYS = 75


def make_usage(rows: int, seed: int = 1) -> list[dict[str, Any]]:
    """Add rows of random days, people and so on, including none; return them as dicts, with the provider."""
    chance = random.Random(seed)
    models = [make_model(f"model-{number}") for number in range(3)]
    models[2].provider = Provider.objects.create(name="other", kind="openai")
    models[2].save()
    made: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(rows):
        model = chance.choice(models)
        row = {
            "day": TODAY - dt.timedelta(days=chance.randrange(DAYS)),
            "team_id": uuid.UUID(int=chance.randrange(3)),
            "user_id": uuid.UUID(int=chance.randrange(1, 5)),
            "room_id": uuid.UUID(int=chance.randrange(4)),
            "agent_id": uuid.UUID(int=chance.randrange(4)),
            "model_id": model.pk,
            "purpose": chance.choice(PURPOSES),
            "mode": chance.choice(["manual", "roundtable"]),
            **{name: chance.randrange(1000) for name in SUMS},
            "cost_pico": chance.randrange(10**15),
            "provider_id": model.provider_id,
        }
        made[tuple(row[name] for name in KEY)] = row
    sums_add({key: [row[name] for name in SUMS] for key, row in made.items()})
    return list(made.values())
