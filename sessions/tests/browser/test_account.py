"""The account page, the theme, and restoring deleted items."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, Page, expect

from accounts.models import ApiToken, User
from accounts.tests.support.clients import PASSWORD
from sessions.models import Room
from sessions.tests.browser.steps import Opened, address_of, sign_in
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


def test_a_token_is_made_copied_and_shown_once(alices: Page, server: ServerProcess) -> None:
    alices.goto("/")
    alices.locator("summary", has_text="Alice").click()
    alices.get_by_role("link", name="Account").click()
    form = alices.locator("#tokens form.form")
    form.get_by_label("Name").fill("reports")
    form.get_by_label("Expiration").select_option("1 year")
    form.get_by_role("checkbox", name="chat").uncheck()
    form.get_by_role("button", name="Create token").click()
    expect(alices.get_by_role("alert")).to_contain_text("won't be shown again")
    secret = alices.locator("[data-secret]").inner_text()
    assert secret.startswith("pn_")
    alices.get_by_role("button", name="Copy").click()
    expect(alices.get_by_role("button", name="Copied")).to_be_visible()
    assert alices.evaluate("navigator.clipboard.readText()") == secret
    assert ApiToken.objects.get().scopes == ["read"]
    me = alices.request.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {secret}"})
    assert me.json()["email"] == "alice@example.com"

    alices.reload()
    expect(alices.get_by_role("status").filter(has_text="No token was created")).to_be_visible()
    assert ApiToken.objects.count() == 1
    assert secret not in alices.content()
    expect(alices.locator(".token-rows")).to_contain_text("last used")
    alices.get_by_role("button", name="Delete the token reports").click()
    expect(alices.get_by_role("status").filter(has_text="reports” deleted")).to_be_visible()
    assert not ApiToken.objects.exists()


def test_a_password_is_changed(alices: Page, page: Page) -> None:
    new = "quite another passphrase"
    alices.goto("/account")
    alices.get_by_label("Current password").fill(PASSWORD)
    alices.get_by_label("New password", exact=True).fill(new)
    alices.get_by_label("Confirm new password").fill(new)
    alices.get_by_role("button", name="Change password").click()
    expect(alices.get_by_text("Your password was changed.")).to_be_visible()
    page.goto("/sign-in")
    page.get_by_label("Email").fill("alice@example.com")
    page.get_by_label("Password").fill(new)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Rooms")).to_be_visible()


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_a_theme_is_chosen_and_kept(alices: Page) -> None:
    other = alices.context.new_page()
    other.goto("/")
    light = background(other)
    alices.goto("/account")
    alices.get_by_role("button", name="Dark", exact=True).click()
    expect(alices.get_by_role("button", name="Dark", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(alices.locator("body")).not_to_have_css("background-color", light)
    dark = background(alices)
    expect(other.locator("html")).to_have_attribute("data-theme", "dark")  # in the other tab as well
    # Whoever reloads sees no other background first: the theme is there before the first paint.
    alices.add_init_script(
        "new PerformanceObserver((list) => { window.themeAtFirstPaint ??= document.documentElement.dataset.theme })"
        ".observe({ type: 'paint', buffered: true })"
    )
    alices.goto("/usage")
    expect(alices.locator("body")).to_have_css("background-color", dark)
    # A function: a bare expression would be evaluated at each look, which the page's policy refuses after the first.
    alices.wait_for_function("() => window.themeAtFirstPaint === 'dark'")
    alices.get_by_role("button", name="Theme: dark").click()
    expect(alices.get_by_role("button", name="Theme: system")).to_be_visible()
    expect(alices.locator("body")).to_have_css("background-color", light)


def test_the_export_is_a_file(alices: Page, alice: User, tmp_path: Path) -> None:
    make_room(alice, make_agent(alice, "ana"), name="Harbour board")
    alices.goto("/account")
    with alices.expect_download() as coming:
        alices.get_by_role("link", name="Export my data").click()
    coming.value.save_as(tmp_path / "export.json")
    assert coming.value.suggested_filename.startswith("pantheon-")
    exported = json.loads((tmp_path / "export.json").read_text())
    assert exported["rooms"][0]["name"] == "Harbour board"


def test_a_deletion_is_undone(alices: Page, alice: User) -> None:
    room = make_room(alice, make_agent(alice, "ana"), name="Harbour board")
    make_session(alice, room)
    alices.goto(f"/rooms/{room.pk}/edit")
    alices.locator("summary", has_text="Delete this room").click()
    alices.get_by_role("button", name="Delete this room").click()
    told = alices.get_by_role("status").filter(has_text="was deleted")
    expect(told).to_contain_text("The room “Harbour board” was deleted.")
    assert not Room.objects.alive().exists()
    told.get_by_role("button", name="Undo").click()
    expect(alices.get_by_text("The room “Harbour board” was restored with its sessions.")).to_be_visible()
    assert Room.objects.alive().get() == room

    alices.goto("/")
    alices.get_by_role("link", name="Ana @ana").click()
    alices.locator("summary", has_text="Delete this agent").click()
    alices.get_by_role("button", name="Delete this agent").click()
    alices.goto("/")
    alices.get_by_role("link", name="Recently deleted").click()
    alices.get_by_role("button", name="Restore agent Ana").click()
    expect(alices.get_by_text("Ana (@ana) was restored.")).to_be_visible()


def test_staff_make_a_link_for_a_new_password(
    open_context: Opened, page: Page, server: ServerProcess, alice: User
) -> None:
    context = open_context()
    sign_in(context, address_of(server), User.objects.create_superuser("root@example.com"))
    root = context.new_page()
    root.goto(f"/admin/accounts/user/{alice.pk}/change/")
    root.get_by_role("button", name="Password reset link").click()
    link = root.locator(".invitation-link a").inner_text()
    page.goto(link)
    for label in ("New password", "Confirm new password"):
        page.get_by_label(label, exact=True).fill("quite another passphrase")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password was changed. Sign in with it.")).to_be_visible()


def test_a_name_that_was_not_saved_is_not_left_without_asking(alices: Page) -> None:
    alices.goto("/account")
    alices.locator("form", has_text="Save name").get_by_label("Name").fill("Alice B")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    alices.once("dialog", stay)
    alices.get_by_role("link", name="Pantheon").click(no_wait_after=True)
    expect(alices.locator("form", has_text="Save name").get_by_label("Name")).to_have_value("Alice B")
    alices.get_by_role("button", name="Save name").click()
    expect(alices.get_by_text("Your name was saved.")).to_be_visible()
    assert asked == ["beforeunload"]
