"""One row of each model, for the tests of the administration."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from dataclasses import dataclass

from django.utils import timezone

from accounts.models import ApiToken, AuditEntry, Invitation, SetupLink, Team, User, secret_digest
from billing.models import ZERO_UUID, Budget, DailyUsage, ModelPrice, UsageEvent
from billing.services.budgets import budget_save
from orchestration.models import LlmModel, Provider
from sessions.files.storage import content_put
from sessions.models import (
    Agent,
    Call,
    ChatSession,
    File,
    Message,
    MessageFile,
    Room,
    RoomAgent,
    Summary,
    Turn,
)

WRITTEN = "xyzzy"
"""Part of every text by people or models, and on no admin page."""


@dataclass(frozen=True, slots=True)
class Rows:
    user: User
    team: Team
    token: ApiToken
    model: LlmModel
    price: ModelPrice
    agent: Agent
    room: Room
    session: ChatSession
    turn: Turn
    call: Call
    message: Message
    event: UsageEvent
    day: DailyUsage


def make_rows(name: str = "ada") -> Rows:
    """Create one row of each model; every name is derived from `name`, so that it can be called again."""
    team = Team.objects.create(name=f"Team of {name}")
    user = User.objects.create_user(f"{name}@example.org", name=name, team=team)
    token = ApiToken.objects.create(
        user=user, name="script", digest=secret_digest(name), hint="pn_abc", scopes=["read"]
    )
    Invitation.objects.create(
        email=f"friend-of-{name}@example.org",
        team=team,
        digest=secret_digest(f"invitation of {name}"),
        created_by=user,
        expires_at=timezone.now() + dt.timedelta(days=7),
    )
    SetupLink.objects.create(digest=secret_digest(f"link of {name}"))
    AuditEntry.objects.create(
        actor_id=user.pk,
        action="add",
        object_type="accounts.Team",
        object_id=str(team.pk),
        object_label=team.name,
    )
    provider = Provider.objects.create(name=f"server-{name}", kind="openai", key_env="SERVER_API_KEY")
    model = LlmModel.objects.create(
        alias=f"model-{name}", provider=provider, model_id="m-1", context_window=8192, max_output_tokens=1024
    )
    price = price_of(model)
    agent, room = council_of(user, model, name)
    session = ChatSession.objects.create(owner=user, room=room, title=f"{WRITTEN} title")
    turn = turn_of(session)
    call = call_of(turn, agent, model)
    message = messages_of(turn, agent, model)
    file_of(turn)
    summary_of(turn)
    event = event_of(call, price, team)
    for scope, target in (("team", team), ("user", user), ("room", room)):
        budget_save(budget=Budget(scope=scope, target_id=target.pk, limit_pico=10**12))
    day = DailyUsage.objects.create(
        day=dt.date(2026, 11, 22),
        team_id=team.pk,
        user_id=user.pk,
        room_id=room.pk,
        agent_id=agent.pk,
        model=model,
        purpose="reply",
        mode="manual",
        calls=1,
        input_tokens=1000,
        output_tokens=10,
        cost_pico=event.cost_pico or 0,
    )
    return Rows(user, team, token, model, price, agent, room, session, turn, call, message, event, day)


def price_of(model: LlmModel) -> ModelPrice:
    """USD 2.50 per million tokens of input, 10.00 of output."""
    return ModelPrice.objects.create(
        model=model,
        input_pico=2_500_000,
        cache_read_pico=250_000,
        cache_write_5m_pico=0,
        cache_write_1h_pico=0,
        output_pico=10_000_000,
        source="test",
    )


def council_of(user: User, model: LlmModel, name: str) -> tuple[Agent, Room]:
    agent = Agent.objects.create(
        owner=user, key="analyst", name="Analyst", model=model, role_prompt=f"{WRITTEN} prompt"
    )
    room = Room.objects.create(owner=user, name=f"Room of {name}", goal=f"{WRITTEN} goal")
    RoomAgent.objects.create(room=room, agent=agent, position=0)
    return agent, room


def turn_of(session: ChatSession) -> Turn:
    return Turn.objects.create(
        session=session,
        user=session.owner,
        index=1,
        mode="manual",
        status=Turn.Status.PARTIAL,
        completed_at=timezone.now(),
        unknown_tags=[WRITTEN],
        snapshot={"goal": f"{WRITTEN} goal"},
        routing=[{"instruction": WRITTEN}],
        idempotency_key=f"{WRITTEN} {session.pk}",
        request_digest=secret_digest("request"),
        error={"code": "provider_timeout", "message": "The provider took too long.", "retryable": True},
    )


def call_of(turn: Turn, agent: Agent, model: LlmModel) -> Call:
    buckets = {
        "input": 1000,
        "cache_read": 0,
        "cache_write_5m": 0,
        "cache_write_1h": 0,
        "output": 10,
        "reasoning": 0,
    }
    return Call.objects.create(
        turn=turn,
        claim=1,
        number=1,
        step_id=uuid.uuid4(),
        slot="reply:analyst",
        purpose="reply",
        agent_id=agent.pk,
        agent_key=agent.key,
        agent_name=agent.name,
        model=model,
        status=Call.Status.OK,
        text=f"{WRITTEN} answer",
        usage={"usage": buckets, "source": "provider", "raw": {}, "flags": [], "provider_cost_usd": None},
        context={"window": 8192},
        finished_at=timezone.now(),
        committed=True,
    )


def messages_of(turn: Turn, agent: Agent, model: LlmModel) -> Message:
    """Create the question and the answer; return the answer."""
    session = turn.session
    Message.objects.create(
        session=session, turn=turn, seq=1, role=Message.Role.USER, text=f"{WRITTEN} question"
    )
    return Message.objects.create(
        session=session,
        turn=turn,
        seq=2,
        role=Message.Role.AGENT,
        agent_id=agent.pk,
        agent_key=agent.key,
        agent_name=agent.name,
        model=model.alias,
        text=f"{WRITTEN} answer",
        purpose="reply",
        round=1,
    )


def file_of(turn: Turn) -> File:
    """Create a file that the question brought."""
    file = File.objects.create(
        owner=turn.user,
        name=f"{WRITTEN} name.txt",
        media_type="text/plain",
        kind=File.Kind.TEXT,
        bytes=1,
        sha256=secret_digest(f"{WRITTEN} content"),
        text=f"{WRITTEN} text of a file",
        tokens=1,
    )
    content_put(io.BytesIO(b"x"), file.sha256)
    question = turn.messages.get(role=Message.Role.USER)
    MessageFile.objects.create(message=question, file=file, position=0)
    return file


def summary_of(turn: Turn) -> Summary:
    item = {"text": f"{WRITTEN} item", "message_seq": 1, "pinned": False}
    return Summary.objects.create(
        session=turn.session,
        turn=turn,
        from_seq=1,
        through_seq=2,
        text=f"{WRITTEN} summary",
        key_facts=[item],
        decisions=[item],
        open_questions=[item],
        action_items=[item],
    )


def event_of(call: Call, price: ModelPrice, team: Team) -> UsageEvent:
    """Bill the call: 1000 tokens in, 10 out."""
    turn = call.turn
    room = turn.session.room
    assert room is not None
    event = UsageEvent(
        id=call.pk,
        user_id=turn.user_id,
        team_id=team.pk,
        team_name=team.name,
        room_id=room.pk,
        room_name=room.name,
        session_id=turn.session_id,
        turn_id=turn.pk,
        agent_id=call.agent_id or ZERO_UUID,
        agent_key=call.agent_key,
        mode=turn.mode,
        purpose="reply",
        provider=call.model.provider.name,
        model=call.model,
        model_asked=call.model.model_id,
        input_tokens=1000,
        output_tokens=10,
        source="provider",
        raw_usage={"prompt_tokens": 1000},
        price=price,
        cost_pico=1000 * price.input_pico + 10 * price.output_pico,
        status="ok",
    )
    event.save(force_insert=True)
    return event
