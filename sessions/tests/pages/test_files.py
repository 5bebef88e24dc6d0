"""Files on server-rendered pages: on messages, in their list, in search."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.tests.support.admin_site import static_files_as_they_are
from accounts.tests.support.clients import make_user
from orchestration.models import LlmModel
from sessions.models import ChatSession, File, MessageFile
from sessions.services.files import file_delete
from sessions.tests.conftest import Api
from sessions.tests.factories import make_agent, make_file, make_room, make_session
from sessions.tests.support.pages import assert_leads_to_sign_in, browser, text_of
from sessions.tests.support.uploads import stored

__all__ = ["static_files_as_they_are", "stored"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stored")]

FILES = reverse("files")


@pytest.fixture
def session(alice: User, openai_model: LlmModel, openai_server: Any) -> ChatSession:
    return make_session(alice, make_room(alice, make_agent(alice, "ana", openai_model)))


def ask(api: Api, session: ChatSession, *files: File, message: str = "@ana Shall we?") -> dict[str, Any]:
    body = {"message": message, "files": [str(file.pk) for file in files]}
    turn: dict[str, Any] = api.post(f"sessions/{session.pk}/turns", body).json()
    assert turn["status"] == "completed", turn
    return turn


def page_of(user: User, address: str, **parameters: str) -> str:
    response = browser(user).get(address, parameters)
    assert response.status_code == 200
    return text_of(response)


def squeezed(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_a_message_shows_its_files_in_order(api: Api, alice: User, session: ChatSession) -> None:
    ask(api, session, make_file(alice, "b.txt", "x" * 2048), make_file(alice, "a<b>.txt"))
    page = page_of(alice, reverse("session", args=[session.pk]))
    names = re.findall(r"data-file-name\s*>([^<]+)<", page)
    assert names[:2] == ["b.txt", "a&lt;b&gt;.txt"]
    assert "2 KB · 512 tokens" in page


def test_a_lane_says_which_files_its_model_did_not_get(api: Api, alice: User, session: ChatSession) -> None:
    image = make_file(alice, "front.png", "png", kind="image", width=40, height=20, tokens=1)
    ask(api, session, image)
    note = "This model can’t see images: it got 1 by name only."
    assert note in page_of(alice, reverse("session", args=[session.pk]))


def test_the_list_says_what_takes_how_much(
    api: Api, alice: User, bob: User, session: ChatSession, settings: Any
) -> None:
    settings.PANTHEON_FILES_PER_USER_MIB = 2048
    sent = make_file(alice, "sent.txt", bytes=3 * 1024 * 1024)
    make_file(alice, "draft.txt", bytes=500)
    make_file(bob, "his.txt")
    ask(api, session, sent)
    page = squeezed(page_of(alice, FILES))
    assert "3.0 MB of 2.0 GB used" in page
    assert re.search(
        r"draft\.txt 500 B · 4 tokens · not sent .*sent\.txt 3\.0 MB · 4 tokens · in 1 message", page
    )
    assert "his.txt" not in page


def test_a_deleted_file_leaves_the_list_and_stays_on_its_message(
    api: Api, alice: User, session: ChatSession
) -> None:
    file = make_file(alice, "sent.txt")
    ask(api, session, file)
    response = browser(alice).post(reverse("file-delete", args=[file.pk]), follow=True)
    page = squeezed(text_of(response))
    assert "“sent.txt” was deleted." in page
    assert "No files yet" in page
    assert "sent.txt" in page_of(alice, reverse("session", args=[session.pk]))
    assert MessageFile.objects.filter(file=file).exists()


def test_others_do_not_find_the_file(alice: User, bob: User, client: Client) -> None:
    file = make_file(alice)
    address = reverse("file-delete", args=[file.pk])
    assert browser(bob).post(address).status_code == 404
    assert_leads_to_sign_in(client.get(FILES))
    assert_leads_to_sign_in(client.post(address))
    assert File.objects.get() == file


def test_search_finds_names_of_files(api: Api, alice: User, bob: User, session: ChatSession) -> None:
    lease = make_file(alice, "Mietvertrag Café 2026.pdf")
    ask(api, session, lease, make_file(alice, "plan.txt"))
    ask(api, session, message="@ana Nothing about it")
    make_file(alice, "cafe menu.txt")  # no message brought it

    found = api.get("search?q=cafe vertrag").json()["results"]
    assert [(result["role"], result["file_names"]) for result in found] == [
        ("user", ["Mietvertrag Café 2026.pdf"])
    ]
    assert api.get("search?q=vertrag -cafe").json()["results"] == []
    page = page_of(alice, reverse("search"), q="vertrag")
    assert "Miet<mark" in page
    file_delete(file=lease)
    assert len(api.get("search?q=mietvertrag").json()["results"]) == 1
    assert "Miet<mark" not in page_of(make_user("dan@example.org"), reverse("search"), q="vertrag")


def test_a_message_found_by_text_and_file_is_one_result(api: Api, alice: User, session: ChatSession) -> None:
    ask(api, session, make_file(alice, "lease.pdf"), message="@ana Read the lease")
    found = [each for each in api.get("search?q=lease").json()["results"] if each["role"] == "user"]
    assert [result["file_names"] for result in found] == [["lease.pdf"]]
