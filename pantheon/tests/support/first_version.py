"""Create a database of the first version, with a room, a turn and its cost. Run as a module, with DATABASE_URL.

The rows are written by the models of that version.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import django

APPS = ("accounts", "orchestration", "billing", "chat_sessions")
NOON = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
RATES = {
    "input_pico": 2_000_000,
    "cache_read_pico": 200_000,
    "cache_write_5m_pico": 2_500_000,
    "cache_write_1h_pico": 4_000_000,
    "output_pico": 10_000_000,
}


def main() -> None:
    django.setup()
    from django.db import connection, transaction
    from django.db.migrations.executor import MigrationExecutor

    first = [(app, "0001_initial") for app in APPS]
    executor = MigrationExecutor(connection)
    executor.migrate(first)
    with transaction.atomic():
        FirstVersion(executor.loader.project_state(first).apps).rows_create()


class FirstVersion:
    """Creates one row of each kind."""

    def __init__(self, apps: Any) -> None:
        self.apps = apps

    def create(self, app: str, name: str, /, **fields: Any) -> Any:
        return self.apps.get_model(app, name).objects.create(**fields)

    def rows_create(self) -> None:
        team = self.create("accounts", "Team", name="Legal")
        user = self.create("accounts", "User", email="alice@example.org", name="Alice", team=team)
        self.create(
            "accounts", "ApiToken", user=user, name="laptop", digest="0" * 64, hint="pk-1", scopes=["read"]
        )
        self.create("accounts", "SetupLink", digest="1" * 64)
        provider = self.create(
            "orchestration", "Provider", name="ollama", kind="openai", base_url="http://ollama/v1"
        )
        limits = {"context_window": 32_768, "max_output_tokens": 2_048}
        model = self.create(
            "orchestration", "LlmModel", provider=provider, alias="qwen", model_id="qwen3", **limits
        )
        self.event_create(self.call_create(user, model))

    def call_create(self, user: Any, model: Any) -> Any:
        """Create a turn in a room with its messages, and return its call."""

        def create(name: str, /, **fields: Any) -> Any:
            return self.create("chat_sessions", name, **fields)

        agent = create("Agent", owner=user, key="ana", name="Ana", role_prompt="Be brief.", model=model)
        room = create("Room", owner=user, name="Board", goal="Decide.")
        create("RoomAgent", room=room, agent=agent, position=1)
        session = create("ChatSession", owner=user, room=room, title="The contract")
        ended = {"status": "completed", "claim": 1, "last_event_seq": 3, "completed_at": NOON}
        turn = create("Turn", session=session, user=user, index=1, mode="manual", created_at=NOON, **ended)
        question = {"role": "user", "text": "Is the **Straße** clause valid?"}
        create("Message", session=session, turn=turn, created_at=NOON, seq=1, **question)
        who = {"agent_id": agent.pk, "agent_key": "ana", "agent_name": "Ana", "purpose": "reply"}
        answer = {"role": "agent", "model": "qwen", "text": "Yes, it is valid."}
        create("Message", session=session, turn=turn, created_at=NOON, seq=2, **who, **answer)
        return create(
            "Call",
            turn=turn,
            claim=1,
            number=1,
            step_id=uuid.uuid4(),
            slot="reply:ana",
            **who,
            model=model,
            status="completed",
            usage={"source": "provider", "usage": {"input": 100, "output": 20}, "flags": []},
            started_at=NOON,
            finished_at=NOON,
            committed=True,
        )

    def event_create(self, call: Any) -> None:
        """Create the usage event of a call, with its price and its day."""
        since = NOON - dt.timedelta(days=1)
        price = self.create(
            "billing", "ModelPrice", model=call.model, effective_from=since, source="list", **RATES
        )
        turn, room, model = call.turn, call.turn.session.room, call.model
        sums = {"input_tokens": 100, "output_tokens": 20, "cost_pico": 100 * 2_000_000 + 20 * 10_000_000}
        who = {
            "user_id": turn.user_id,
            "team_id": turn.user.team_id,
            "room_id": room.pk,
            "agent_id": call.agent_id,
        }
        what = {"purpose": "reply", "mode": "manual", "model": model}
        self.create("billing", "DailyUsage", day=NOON.date(), calls=1, **who, **what, **sums)
        names = {"team_name": "Legal", "room_name": "Board", "agent_key": "ana", "provider": "ollama"}
        self.create(
            "billing",
            "UsageEvent",
            id=call.pk,
            **who,
            **names,
            **what,
            **sums,
            price=price,
            session_id=turn.session_id,
            turn_id=turn.pk,
            model_asked="qwen3",
            model_served="qwen3",
            source="provider",
            status="completed",
            created_at=NOON,
        )


if __name__ == "__main__":
    main()
