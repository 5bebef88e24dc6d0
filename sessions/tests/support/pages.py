"""Shared helpers of the page tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.tests.support.html import html_of
from billing.models import UsageEvent
from orchestration.models import LlmModel
from sessions.models import Call, ChatSession, Message, Turn


def browser(user: User) -> Client:
    """Return a browser with a signed-in user."""
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    """Return a page's HTML without the whitespace of its templates."""
    return html_of(response)


def assert_leads_to_sign_in(response: Any) -> None:
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign-in"))


def add_turns(session: ChatSession, model: LlmModel, count: int, *, answers: int = 1) -> Sequence[Turn]:
    """Write turns into a session as if they had run: a question, answers, their calls, and a bill without prices."""
    turns = Turn.objects.bulk_create(made_turn(session, index) for index in range(1, count + 1))
    messages, calls, events = [], [], []
    for number, turn in enumerate(turns):
        seq = number * (answers + 1) + 1
        question = f"Question {turn.index}."
        messages.append(Message(session=session, turn=turn, seq=seq, role="user", text=question))
        for place in range(1, answers + 1):
            answer = made_answer(turn, model, seq=seq + place, key=f"agent-{place}")
            call = made_call(answer, model, number=place)
            messages.append(answer)
            calls.append(call)
            events.append(made_event(call))
    Message.objects.bulk_create(messages)
    Call.objects.bulk_create(calls)
    UsageEvent.objects.bulk_create(events)
    return turns


def made_turn(session: ChatSession, index: int) -> Turn:
    now = timezone.now()
    final = {"status": "completed", "completed_at": now}
    return Turn(session=session, user=session.owner, index=index, mode="manual", created_at=now, **final)


def made_answer(turn: Turn, model: LlmModel, *, seq: int, key: str) -> Message:
    speaker = {"role": "agent", "agent_key": key, "agent_name": key.title(), "model": model.alias}
    text = f"Answer {turn.index}."
    return Message(session=turn.session, turn=turn, seq=seq, text=text, round=1, purpose="reply", **speaker)


def made_call(answer: Message, model: LlmModel, *, number: int) -> Call:
    made = {"turn": answer.turn, "claim": 1, "number": number, "step_id": answer.pk, "slot": answer.agent_key}
    return Call(purpose="reply", agent_key=answer.agent_key, model=model, status="ok", committed=True, **made)


def made_event(call: Call) -> UsageEvent:
    turn = call.turn
    where = {"user_id": turn.user_id, "session_id": turn.session_id, "turn_id": turn.pk, "mode": turn.mode}
    what = {"model": call.model, "model_asked": call.model.alias, "source": "provider", "status": "ok"}
    return UsageEvent(id=call.pk, purpose="reply", provider="test", **where, **what)
