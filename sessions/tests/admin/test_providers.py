"""What went wrong last at a provider, in the administration."""

from __future__ import annotations

import datetime as dt
import html
import json

import pytest
from django.contrib.auth.models import Permission
from django.db.models import F

from accounts.models import User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from orchestration.models import Provider
from orchestration.tests.gateway import KEY
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import Call
from sessions.selectors.failures import BACK
from sessions.tests.factories import make_agent, make_session

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db(transaction=True)

SECRET_PLAN = "The board secretly plans to sell the old mill by the river in spring."


@pytest.fixture
def failed(api, alice, openai_model, openai_server: OpenAIServer) -> Call:
    """A call that the provider refused, quoting the key and the question."""
    quoted = {"error": {"message": f"Cannot bill {KEY} for: {SECRET_PLAN} Code 4711.", "code": "odd"}}
    openai_server.default = Answer(status=400, body=json.dumps(quoted).encode())
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    api.post(f"sessions/{session.pk}/turns", {"message": SECRET_PLAN})
    return Call.objects.get()


def message_of(call: Call) -> str:
    assert call.error is not None
    message: str = call.error["message"]
    return message


def test_a_provider_shows_its_last_failures_in_the_sentences_of_turns(failed: Call) -> None:
    text = superuser().get(page(Provider, "change", failed.model.provider_id)).content.decode()
    assert message_of(failed) in html.unescape(text)
    assert page(Call, "change", failed.pk) in text


def test_the_call_has_the_providers_text_without_key_and_conversation(failed: Call) -> None:
    text = superuser().get(page(Call, "change", failed.pk)).content.decode()
    assert "Code 4711" in text
    assert "HTTP 400" in text
    assert KEY not in text
    assert "old mill" not in text


def test_users_do_not_get_the_providers_text(failed: Call, api) -> None:
    turn = api.get(f"turns/{failed.turn_id}").content.decode()
    assert message_of(failed) in turn
    assert "4711" not in turn


def test_old_failures_and_those_of_others_are_not_listed(failed: Call) -> None:
    client, other = superuser(), Provider.objects.create(name="other", kind="openai")
    assert "No failed calls" in client.get(page(Provider, "change", other.pk)).content.decode()
    Call.objects.update(started_at=F("started_at") - BACK - dt.timedelta(days=1))
    text = client.get(page(Provider, "change", failed.model.provider_id)).content.decode()
    assert "No failed calls" in text


def test_staff_who_may_not_see_calls_see_no_failures(failed: Call) -> None:
    staff = User.objects.create_user("carol@example.org", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="orchestration"))
    text = signed_in(staff).get(page(Provider, "change", failed.model.provider_id)).content.decode()
    assert "data-provider-test" in text
    assert "Last failures" not in text
