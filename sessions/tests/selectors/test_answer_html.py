"""The HTML of answers is stored with them: rendered once, by the turn, and again after a change of the renderer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.tests.support.admin_site import static_files_as_they_are
from orchestration.tests.providers import Answer, Cut
from sessions.dispatch import use_dispatcher
from sessions.live.runtime import runtime
from sessions.models import ChatSession, Message
from sessions.rendering.markdown import RENDERER
from sessions.services.fork import session_fork
from sessions.tests.factories import make_agent, make_model, make_room, make_session
from sessions.tests.support.pages import add_turns, browser, text_of

__all__ = ["static_files_as_they_are"]


@pytest.fixture
def session(alice: Any) -> ChatSession:
    return make_session(alice, make_room(alice, make_agent(alice, "ana")))


def shown(session: ChatSession) -> str:
    return text_of(browser(session.owner).get(reverse("session", args=[session.pk])))


@pytest.fixture
def _turns_run() -> Iterator[None]:
    use_dispatcher(runtime)
    yield
    use_dispatcher(None)
    runtime.stop()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_turns_run")
@pytest.mark.parametrize("cut", [False, True])
def test_a_turn_stores_the_html_of_its_answers(
    api: Any, alice: Any, openai_model: Any, openai_server: Any, cut: bool
) -> None:
    session = make_session(alice, make_agent(alice, "ana", openai_model))
    openai_server.default = Answer("Sell **bread**.", at={1: Cut()} if cut else {})
    api.post(f"sessions/{session.pk}/turns", {"message": "What?"})
    answer = Message.objects.get(role="agent")
    assert answer.status == ("failed" if cut else "complete")
    assert answer.html_version == RENDERER
    assert answer.html == ("<p>Sell</p>\n" if cut else "<p>Sell <strong>bread</strong>.</p>\n")
    question = Message.objects.get(role="user")
    assert (question.html, question.html_version) == ("", 0), "it is shown as it was written"


@pytest.mark.django_db
def test_a_page_shows_what_is_stored(session: ChatSession) -> None:
    add_turns(session, make_model(), 1)
    Message.objects.filter(role="agent").update(html="<p>From the store.</p>", html_version=RENDERER)
    assert "<p>From the store.</p>" in shown(session)


@pytest.mark.django_db
def test_html_of_another_renderer_is_rendered_again(session: ChatSession) -> None:
    add_turns(session, make_model(), 1)
    answers = Message.objects.filter(role="agent")
    answers.update(text="Now *new*.", html="<p>Old.</p>", html_version=RENDERER - 1)
    assert "<p>Now <em>new</em>.</p>" in shown(session)
    assert answers.get().html == "<p>Old.</p>", "looking changes nothing"
    for count in (1, 0):
        out = io.StringIO()
        call_command("render_messages", stdout=out)
        assert out.getvalue() == f"{count} answer{'s' * (count != 1)} rendered.\n"
    assert (answers.get().html, answers.get().html_version) == ("<p>Now <em>new</em>.</p>\n", RENDERER)


@pytest.mark.django_db
def test_all_old_answers_are_rendered_and_no_question(session: ChatSession) -> None:
    add_turns(session, make_model(), 60, answers=2)
    call_command("render_messages", stdout=io.StringIO())
    assert set(Message.objects.values_list("role", "html_version")) == {("user", 0), ("agent", RENDERER)}


@pytest.mark.django_db
def test_a_fork_takes_the_html_along(session: ChatSession) -> None:
    add_turns(session, make_model(), 1)
    Message.objects.filter(role="agent").update(html="<p>From the store.</p>", html_version=RENDERER)
    fork = session_fork(user=session.owner, session=session, after_turn=1)
    assert "<p>From the store.</p>" in shown(fork)


@pytest.mark.django_db
def test_only_pages_read_the_html(session: ChatSession, api: Any, django_assert_num_queries: Any) -> None:
    add_turns(session, make_model(), 1)
    with django_assert_num_queries(1) as asked:
        list(session.messages.all())
    assert '"html"' not in asked.captured_queries[0]["sql"]
