"""Files on pages: attached by button, by drop and by paste, sent with a message, opened from it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from accounts.models import User
from orchestration.tests.providers import Answer, OpenAIServer
from sessions.models import ChatSession, File, Message
from sessions.services.files import file_delete
from sessions.tests.browser.steps import editor, ended, open_session, send, turn
from sessions.tests.browser.watching import Watch
from sessions.tests.support import documents
from sessions.tests.support.councils import says

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

HOSTILE = "The rent is <b>900</b>.\n<script>document.title = 'taken'</script>\n"
UPLOADS = "**/api/v1/files"

DRAG = """([type, content]) => {
    const data = new DataTransfer();
    data.items.add(new File([content], "offer.md"));
    const place = document.querySelector("[data-transcript]");
    place.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
PASTE_TEXT = """(box, text) => {
    const data = new DataTransfer();
    data.setData("text/plain", text);
    const paste = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
    if (box.dispatchEvent(paste)) document.execCommand("insertText", false, text);
}"""
PASTE_IMAGE = """(box, bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], "image.png", { type: "image/png" }));
    box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def lease(content: str = HOSTILE) -> FilePayload:
    return {"name": "lease.txt", "mimeType": "text/plain", "buffer": content.encode()}


def photo() -> FilePayload:
    return {"name": "front.png", "mimeType": "image/png", "buffer": documents.image("PNG")}


def choose(page: Page, *files: FilePayload) -> None:
    """Attach files by the button."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Attach files").click()
    chooser.value.set_files(list(files))


def box(page: Page) -> Locator:
    return page.get_by_label("Message", exact=True)


def chips(page: Page) -> Locator:
    return page.locator("[data-attachments] [data-file]")


def attached(page: Page, count: int) -> None:
    """Wait until the server has read the files."""
    expect(page.locator("[data-attachments] [data-file-open]:enabled")).to_have_count(count)


def viewer(page: Page) -> Locator:
    return page.get_by_role("dialog").filter(has=page.get_by_role("link", name="Download"))


def test_files_are_sent_shown_and_opened(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer("I have read it."), always=True)
    open_session(alices, session)
    choose(alices, lease(), photo())
    attached(alices, 2)
    expect(chips(alices).first).to_contain_text("lease.txt")
    expect(chips(alices).first).to_contain_text("tokens")
    send(alices, "@ana Shall we?")
    ended(alices)
    expect(chips(alices)).to_have_count(0)
    for _ in range(2):  # as streamed, and as stored
        files = turn(alices).get_by_role("list", name="Attached files").get_by_role("button")
        expect(files).to_have_count(2)
        expect(files.nth(0)).to_contain_text("lease.txt")
        files.nth(0).click()
        expect(viewer(alices).locator("pre")).to_have_text(HOSTILE.strip())
        alices.keyboard.press("Escape")
        expect(viewer(alices)).to_be_hidden()
        expect(files.nth(0)).to_be_focused()
        files.nth(1).click()
        image = viewer(alices).get_by_role("img", name="front.png")
        expect(image).to_be_visible()
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0
        alices.go_back()
        expect(viewer(alices)).to_be_hidden()
        alices.reload()
    assert [file.name for file in Message.objects.get(role="user").files] == ["lease.txt", "front.png"]


def test_files_are_dropped_on_the_conversation(alices: Page, session: ChatSession) -> None:
    open_session(alices, session)
    zone = alices.get_by_text("Drop files to attach them")
    alices.evaluate(DRAG, ["dragover", "# Offer"])
    expect(zone).to_be_visible()
    alices.evaluate(DRAG, ["dragleave", "# Offer"])
    expect(zone).to_be_hidden()
    alices.evaluate(DRAG, ["dragover", "# Offer"])
    alices.evaluate(DRAG, ["drop", "# Offer"])
    expect(zone).to_be_hidden()
    expect(chips(alices)).to_contain_text("offer.md")
    attached(alices, 1)


def test_images_and_long_texts_are_pasted(alices: Page, session: ChatSession) -> None:
    long = "A long report. " * 300
    open_session(alices, session)
    box(alices).evaluate(PASTE_IMAGE, list(documents.image("PNG")))
    expect(chips(alices)).to_contain_text("Pasted image.png")
    attached(alices, 1)
    box(alices).fill("@ana Sum it up: ")
    box(alices).evaluate(PASTE_TEXT, long)
    expect(box(alices)).to_have_value(f"@ana Sum it up: {long}")
    alices.get_by_role("button", name="Attach as file").click()
    attached(alices, 2)
    expect(box(alices)).to_have_value("@ana Sum it up: ")
    assert File.objects.with_text().get(kind="text").text.strip() == long.strip()
    alices.get_by_role("button", name="Remove Pasted text.txt").click()
    expect(box(alices)).to_have_value(f"@ana Sum it up: {long}")


def test_a_refused_file_keeps_the_draft(
    alices: Page, session: ChatSession, openai_server: OpenAIServer, watch: Watch
) -> None:
    openai_server.when(says("ana"), Answer("Without it, then."))
    open_session(alices, session)
    box(alices).fill("@ana Shall we?")
    watch.expect(422)
    choose(alices, {"name": "tool.exe", "mimeType": "application/octet-stream", "buffer": b"MZ\x00\x01" * 99})
    expect(chips(alices)).to_contain_text("isn't supported")
    box(alices).press("Enter")
    expect(alices.get_by_text("A file could not be attached")).to_be_visible()
    expect(box(alices)).to_have_value("@ana Shall we?")
    alices.get_by_role("button", name="Remove tool.exe").click()
    expect(box(alices)).to_be_focused()
    box(alices).press("Enter")
    expect(turn(alices)).to_contain_text("Without it, then.")
    ended(alices)


def test_send_waits_for_uploads(alices: Page, session: ChatSession, openai_server: OpenAIServer) -> None:
    openai_server.when(says("ana"), Answer("I have read it."))
    held: list[Route] = []
    open_session(alices, session)
    alices.route(UPLOADS, lambda route: held.append(route))
    choose(alices, lease())
    box(alices).fill("@ana Shall we?")
    box(alices).press("Enter")
    expect(alices.get_by_text("Sends as soon as the file is attached.")).to_be_visible()
    expect(alices.locator("[data-turn]")).to_have_count(0)
    held[0].continue_()
    expect(turn(alices)).to_contain_text("I have read it.")
    ended(alices)
    assert [file.name for file in Message.objects.get(role="user").files] == ["lease.txt"]


def test_the_draft_keeps_its_files(alices: Page, alice: User, session: ChatSession) -> None:
    open_session(alices, session)
    choose(alices, lease(), photo())
    attached(alices, 2)
    alices.reload()
    attached(alices, 2)
    file_delete(file=File.objects.get(owner=alice, kind="image"))
    alices.reload()
    expect(chips(alices)).to_have_count(1)
    expect(chips(alices)).to_contain_text("lease.txt")
    alices.get_by_role("button", name="Remove lease.txt").click()
    alices.reload()
    expect(chips(alices)).to_have_count(0)
    assert not File.objects.exists()


def test_an_edited_message_keeps_its_files(
    alices: Page, session: ChatSession, openai_server: OpenAIServer
) -> None:
    openai_server.when(says("ana"), Answer("I have read it."), always=True)
    open_session(alices, session)
    choose(alices, lease(), photo())
    attached(alices, 2)
    send(alices, "@ana Shall we?")
    ended(alices)
    turn(alices).get_by_role("button", name="Edit").click()
    turn(alices).get_by_role("button", name="Remove front.png").click()
    editor(alices).press("Enter")
    expect(turn(alices)).to_contain_text("version 2/2")
    ended(alices)
    expect(turn(alices).locator("[data-question-files] [data-file]")).to_have_count(1)
    newest = Message.objects.get(role="user", turn__replaces__isnull=False)
    assert [file.name for file in newest.files] == ["lease.txt"]


def test_files_need_only_keys(alices: Page, session: ChatSession) -> None:
    alices.on(
        "filechooser", lambda _: None
    )  # catch it from now on: a key would open it before `expect` is ready
    open_session(alices, session)
    expect(box(alices)).to_be_focused()
    alices.keyboard.press("Shift+Tab")
    expect(alices.get_by_role("button", name="Attach files")).to_be_focused()
    with alices.expect_file_chooser() as chooser:
        alices.keyboard.press("Enter")
    chooser.value.set_files([lease()])
    attached(alices, 1)
    expect(box(alices)).to_be_focused()
    for _ in range(3):  # the button, the removal of the file, the file
        alices.keyboard.press("Shift+Tab")
    expect(chips(alices).get_by_role("button", name="Open lease.txt")).to_be_focused()
    alices.keyboard.press("Enter")
    expect(viewer(alices).locator("pre")).to_be_visible()
    alices.keyboard.press("Escape")
    expect(chips(alices).get_by_role("button", name="Open lease.txt")).to_be_focused()
    alices.keyboard.press("Tab")
    expect(alices.get_by_role("button", name="Remove lease.txt")).to_be_focused()
    alices.keyboard.press("Enter")
    expect(chips(alices)).to_have_count(0)
    expect(box(alices)).to_be_focused()


def test_files_look_right(
    look_as: Any, alice: User, session: ChatSession, openai_server: OpenAIServer, watch: Watch
) -> None:
    openai_server.when(says("ana"), Answer("I have read it."))
    look = look_as(alice)
    page = look.page
    open_session(page, session)
    watch.expect(422)
    choose(page, lease(), photo(), {"name": "tool.exe", "mimeType": "", "buffer": b"MZ\x00\x01" * 99})
    attached(page, 2)
    expect(chips(page).last).to_contain_text("isn't supported")
    look.here("files attached")
    page.get_by_role("button", name="Remove tool.exe").click()
    send(page, "@ana Shall we?")
    ended(page)
    look.here("files sent")
    turn(page).get_by_role("button", name="lease.txt").click()
    expect(viewer(page).locator("pre")).to_be_visible()
    look.here("file opened")
    look.at("/files")
    assert not look.wrong, "\n".join(look.wrong)
