"""People's texts: on no admin page, except on the reading pages with the setting and the permission, audited."""

from __future__ import annotations

import re
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEntry, User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from sessions.models import Agent, ChatSession, File, Message, Room, Summary, Turn
from sessions.selectors import reading
from sessions.tests.factories import make_agent, make_model, make_session
from sessions.tests.support.admin_rows import WRITTEN, make_rows
from sessions.tests.support.pages import add_turns, browser, text_of

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db
NOTICE = "Admins can read conversations"
TEXTS = ("question", "answer", "summary", "item", "prompt", "goal")


@pytest.fixture
def rows():
    return make_rows()


@pytest.fixture
def on(settings):
    settings.PANTHEON_STAFF_READ_MESSAGES = True


def urls_of(rows) -> list[str]:
    return [reverse("read-turn", args=[rows.turn.pk]), reverse("read-session", args=[rows.session.pk])]


def reader(*codenames: str) -> Client:
    """Return a browser of staff with these permissions."""
    user = User.objects.create_user(f"{uuid.uuid4()}@example.org", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return signed_in(user)


def looks() -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(action="read").order_by("at")
    return [(entry.object_type, entry.object_id) for entry in entries]


def test_off_is_the_default(rows, settings) -> None:
    assert settings.PANTHEON_STAFF_READ_MESSAGES is False
    client = superuser()
    for url in urls_of(rows):
        response = client.get(url)
        assert response.status_code == 404
        assert WRITTEN not in text_of(response)
    assert looks() == []


@pytest.mark.parametrize("state", [False, True])
def test_the_tables_show_no_text_in_either_state(rows, settings, state) -> None:
    settings.PANTHEON_STAFF_READ_MESSAGES = state
    client = superuser()
    for model in (Agent, Room, ChatSession, Turn, Message, Summary):
        row = model._default_manager.get() if model is not Message else rows.message
        for url in (page(model, "changelist"), page(model, "change", row.pk)):
            response = client.get(url)
            assert response.status_code == 200
            assert WRITTEN not in text_of(response), url
    assert looks() == []


@pytest.mark.parametrize("state", [False, True])
def test_the_pages_of_turn_and_session_lead_there_when_on(rows, settings, state) -> None:
    settings.PANTHEON_STAFF_READ_MESSAGES = state
    client = superuser()
    for model, row, url in zip((Turn, ChatSession), (rows.turn, rows.session), urls_of(rows), strict=True):
        assert (f'href="{url}"' in text_of(client.get(page(model, "change", row.pk)))) is state
        blind = reader("view_turn", "view_chatsession")
        assert url not in text_of(blind.get(page(model, "change", row.pk)))


def test_a_turn_is_read_and_the_look_is_written_down(rows, on) -> None:
    rows.turn.snapshot = {
        "goal": f"{WRITTEN} goal",
        "roster": [{"key": "a", "name": "A", "role_prompt": f"{WRITTEN} prompt"}],
    }
    rows.turn.routing = [
        {
            "round": 1,
            "action": "route",
            "reason": f"{WRITTEN} reason",
            "selections": [{"agent_key": "a", "instruction": f"{WRITTEN} instruction"}],
            "used_fallback": False,
        }
    ]
    rows.turn.save()
    root = User.objects.create_superuser("root@example.org")
    response = signed_in(root).get(urls_of(rows)[0])
    assert response.status_code == 200
    text = text_of(response)
    for written in (*TEXTS, "reason", "instruction"):
        assert f"{WRITTEN} {written}" in text
    assert "no-store" in response["Cache-Control"]
    [entry] = AuditEntry.objects.filter(action="read")
    assert (entry.actor_id, entry.object_type, entry.object_id) == (
        root.pk,
        "chat_sessions.Turn",
        str(rows.turn.pk),
    )
    assert WRITTEN not in f"{entry.object_label} {entry.before} {entry.after}"


def test_nothing_that_is_read_hides_or_reorders(rows, on) -> None:
    rows.turn.snapshot = {
        "goal": "\u202egoal",
        "roster": [{"key": "a", "name": "A", "role_prompt": "\u202ep"}],
    }
    selection = {"agent_key": "a", "instruction": "\u202einstruction"}
    rows.turn.routing = [{"round": 1, "action": "route", "reason": "\u202ereason", "selections": [selection]}]
    rows.turn.save()
    text = text_of(superuser().get(urls_of(rows)[0]))
    assert "\u202e" not in text
    for shown in ("goal", "p", "instruction", "reason"):
        assert f"⟦U+202E⟧{shown}" in text


def test_a_session_is_read_and_each_look_is_written_down(rows, on) -> None:
    client = reader("view_message")
    for _ in range(2):
        text = text_of(client.get(urls_of(rows)[1]))
        for written in ("title", "question", "answer", "summary", "item"):
            assert f"{WRITTEN} {written}" in text
    assert looks() == [("chat_sessions.ChatSession", str(rows.session.pk))] * 2
    assert not AuditEntry.objects.filter(object_label__contains=WRITTEN).exists()


def test_staff_without_the_permission_read_nothing(rows, on) -> None:
    client = reader("view_turn", "view_chatsession", "view_usageevent", "view_summary")
    for url in urls_of(rows):
        response = client.get(url)
        assert response.status_code == 403
        assert WRITTEN not in text_of(response)
    assert looks() == []


def test_everybody_else_is_asked_to_sign_in(rows, on) -> None:
    for client in (Client(), signed_in(rows.user)):
        for url in urls_of(rows):
            response = client.get(url)
            assert response.status_code == 302
            assert response["Location"].startswith(reverse("admin:login"))
    assert looks() == []


@pytest.mark.parametrize("name", ["read-turn", "read-session"])
@pytest.mark.parametrize("row_id", ["00000000-0000-4000-8000-000000000000", "no-id"])
def test_what_is_not_there_is_not_found(on, name, row_id) -> None:
    assert superuser().get(reverse(name, args=[row_id])).status_code == 404
    assert looks() == []


def test_a_long_session_is_read_page_by_page(on, monkeypatch) -> None:
    monkeypatch.setattr(reading, "TURNS_PER_PAGE", 2)
    alice = User.objects.create_user("alice@example.org")
    model = make_model()
    session = make_session(alice, make_agent(alice, "guide", model))
    add_turns(session, model, 5)
    client, url = superuser(), reverse("read-session", args=[session.pk])
    seen, query = [], ""
    while True:
        text = text_of(client.get(url + query))
        seen.append(re.findall(r"Question (\d)\.", text))
        if not (more := re.search(r'href="(\?before=\d+)"', text)):
            break
        query = more[1]
    assert seen == [["4", "5"], ["2", "3"], ["1"]]


def test_nothing_written_is_taken_for_markup(rows, on) -> None:
    Message.objects.filter(turn=rows.turn).update(text="<script>alert(1)</script>")
    assert "<script>alert" not in text_of(superuser().get(urls_of(rows)[0]))


@pytest.mark.parametrize("state", [False, True])
def test_people_see_a_notice(rows, settings, state) -> None:
    settings.PANTHEON_STAFF_READ_MESSAGES = state
    text = text_of(browser(rows.user).get(reverse("session", args=[rows.session.pk])))
    assert (NOTICE in text) is state


def test_a_sent_file_is_named_and_read_and_the_look_is_written_down(rows, on) -> None:
    file = File.objects.get()
    client, url = reader("view_message"), reverse("read-file", args=[file.pk])
    read = text_of(client.get(urls_of(rows)[0]))
    assert f'<a href="{url}">{WRITTEN} name.txt</a>' in read
    response = client.get(url)
    assert response.content.decode() == f"{WRITTEN} text of a file"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert "no-store" in response["Cache-Control"]
    assert looks()[-1] == ("chat_sessions.File", str(file.pk))
    assert not AuditEntry.objects.filter(object_label__contains=WRITTEN).exists()
    assert reader("view_file").get(url).status_code == 403
    File.objects.update(kind="image", text="", width=1, height=1, media_type="image/png")
    assert client.get(url)["Content-Type"] == "image/png"


def test_a_file_that_no_message_brought_is_read_by_nobody_else(rows, on) -> None:
    file = File.objects.get()
    file.message_files.all().delete()
    assert superuser().get(reverse("read-file", args=[file.pk])).status_code == 404
    assert looks() == []
