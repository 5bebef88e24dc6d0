"""The API documentation page: it works under the policy of all pages, which the fixtures check."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]


def test_the_api_can_be_read_without_a_complaint(page: Page) -> None:
    page.goto(reverse("api-docs"))
    expect(page).to_have_title("API · Pantheon")
    operation = page.locator(".opblock").first
    expect(operation).to_be_visible()
    operation.locator("button").first.click()
    expect(operation.get_by_role("heading", name="Responses")).to_be_visible()
