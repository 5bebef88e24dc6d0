"""Every page of the administration, in light and in dark, at desktop width and at 360 px."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import User
from accounts.tests.support.admin_site import page as page_of
from accounts.tests.support.admin_site import static_files_as_they_are
from billing.reports.report import GROUPS
from sessions.tests.browser.looking import LONG_NAME
from sessions.tests.browser.steps import Opened, address_of, sign_in
from sessions.tests.factories import make_model, make_room, make_session
from sessions.tests.support.admin_rows import make_rows
from sessions.tests.support.pages import add_turns
from sessions.tests.support.server_process import ServerProcess

__all__ = ["static_files_as_they_are"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

LIGHT, DARK = "rgb(247, 247, 245)", "rgb(19, 20, 23)"
"""`--background` in static/css/tokens.css."""

SCROLLED = """() => [...document.querySelectorAll("#content :is(.results, fieldset, .admin-section, .readonly)")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.className)"""

FOCUSED = """() => {
    const stops = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']";
    for (const [number, each] of [...document.querySelectorAll(stops)].entries()) {
        const isShut = each.closest("details:not([open]) > :not(summary)") !== null;
        if (!isShut && each.checkVisibility({ visibilityProperty: true })) each.dataset.stop = number;
    }
    const focused = document.activeElement;
    if (focused === document.body) return null;
    const style = getComputedStyle(focused);
    const box = focused.getBoundingClientRect();
    const isMarked = style.outlineStyle !== "none" || style.boxShadow !== "none" || focused.type === "date";
    return {
        name: focused.outerHTML.slice(0, 120),
        number: focused.dataset.stop,
        visible: isMarked && box.width > 1 && box.right > 0 && box.bottom > 0 && box.left < innerWidth,
    };
}"""
"""What the focus is on, and whether one sees it; a date's own parts have the browser's mark."""

APPS = sorted({model._meta.app_label for model in admin.site._registry})


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root@example.com", name=LONG_NAME)


def rows_of(model: type[Model]) -> list[str]:
    """Return the list of a model, and the pages of one row, as far as they exist for an administrator."""
    pages = [page_of(model, "changelist"), page_of(model, "add")]
    if row := model._default_manager.first():
        pages += [page_of(model, name, row.pk) for name in ("change", "delete", "history")]
    return pages


def that_exist(paths: list[str], user: User) -> list[str]:
    client = Client()
    client.force_login(user)
    return [path for path in paths if client.get(path).status_code == 200]


@pytest.mark.parametrize("label", APPS)
def test_lists_and_forms(look_as: Any, root: User, label: str) -> None:
    make_rows()
    models = [model for model in apps.get_app_config(label).get_models() if model in admin.site._registry]
    paths = [path for model in models for path in rows_of(model)]
    look = look_as(root)
    for path in that_exist(paths, root):
        look.at(path)
        for box in look.page.evaluate(SCROLLED):
            look.wrong.append(f"{path}: scrolls in a box, {box}")
    assert not look.wrong, "\n".join(look.wrong)


def test_index_and_reports(look_as: Any, root: User) -> None:
    rows = make_rows()
    look = look_as(root)
    for path in (
        reverse("admin:index"),
        reverse("costs-teams"),
        reverse("ledger-audit"),
        reverse("admin:billing_modelprice_current"),
        reverse("admin:auth_user_password_change", args=[rows.user.pk]),
        reverse("admin:orchestration_llmmodel_reprice", args=[rows.model.pk]),
    ):
        look.at(path)
    for group in GROUPS:
        look.page.goto(f"{reverse('costs')}?group_by={group}")
        look.here(f"/admin/costs/ by {group}")
    assert not look.wrong, "\n".join(look.wrong)


def test_empty_lists(look_as: Any, root: User) -> None:
    look = look_as(root)
    look.at(reverse("admin:billing_usageevent_changelist"))
    look.at(reverse("admin:chat_sessions_turn_changelist"))
    assert not look.wrong, "\n".join(look.wrong)


def test_one_choice_of_a_theme_holds_everywhere(
    open_context: Opened, server: ServerProcess, root: User
) -> None:
    context = open_context(color_scheme="light")
    sign_in(context, address_of(server), root)
    page = context.new_page()
    body = page.locator("body")
    page.goto("/")
    expect(body).to_have_css("background-color", LIGHT)
    page.goto(reverse("admin:index"))
    expect(body).to_have_css("background-color", LIGHT)
    for _ in range(2):  # as the system, light, dark
        page.get_by_role("button", name="Theme").click()
    expect(body).to_have_css("background-color", DARK)
    for path in ("/", reverse("admin:accounts_user_changelist")):
        page.goto(path)
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        expect(body).to_have_css("background-color", DARK)


def test_the_bar_leads_back_to_the_rooms(open_context: Opened, server: ServerProcess, root: User) -> None:
    context = open_context()
    sign_in(context, address_of(server), root)
    page = context.new_page()
    page.goto(reverse("admin:accounts_user_changelist"))
    expect(page.locator("#nav-sidebar [aria-current=page]")).to_have_text("Users")
    page.get_by_role("link", name="Back to app").click()
    expect(page).to_have_url(re.compile("/$"))
    expect(page.get_by_role("heading", name="Rooms")).to_be_visible()


def test_a_long_room_name_leaves_the_other_columns_in_sight(
    open_context: Opened, server: ServerProcess, root: User
) -> None:
    session = make_session(root, make_room(root, name="Neighbourhood bakery council " * 4))
    add_turns(session, make_model(), 1)
    context = open_context()
    sign_in(context, address_of(server), root)
    page = context.new_page()
    page.goto(reverse("admin:chat_sessions_turn_changelist"))
    place = page.locator("td.field-place").bounding_box()
    assert place is not None
    assert place["width"] < 300
    expect(page.locator("#nav-sidebar").get_by_role("link", name="Turns", exact=True)).to_be_visible()


@pytest.mark.parametrize("name", ["admin:index", "costs", "admin:accounts_user_changelist"])
def test_tab_reaches_everything_with_a_visible_focus(
    open_context: Opened, server: ServerProcess, root: User, name: str
) -> None:
    make_rows()
    context = open_context()
    sign_in(context, address_of(server), root)
    page = context.new_page()
    page.goto(reverse(name))
    page.evaluate("document.activeElement.blur()")
    reached, unseen = set(), []
    for _ in range(400):
        page.keyboard.press("Tab")
        if (stop := page.evaluate(FOCUSED)) is None:
            break
        reached.add(stop["number"])
        if not stop["visible"]:
            unseen.append(stop["name"])
    assert not unseen
    assert len(reached) == page.evaluate("document.querySelectorAll('[data-stop]').length")
