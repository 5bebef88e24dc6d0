"""*Prices* in the administration: every enabled model, unpriced ones in red."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.tests.support.admin_site import page, signed_in, static_files_as_they_are, superuser
from accounts.tests.support.html import html_of
from billing.models import ModelPrice
from billing.tests.factories import make_model, make_price
from orchestration.models import LlmModel

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


def address() -> str:
    return reverse("admin:billing_modelprice_current")


def shown(client: Client | None = None) -> str:
    response = (client or superuser()).get(address())
    assert response.status_code == 200
    return html_of(response)


def row_of(body: str, alias: str) -> str:
    [row] = [row for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL) if f">{alias}<" in row]
    return row


def test_a_price_with_its_source_and_age() -> None:
    make_price(make_model("one"), source="our contract", checked_at=timezone.now() - dt.timedelta(days=9))
    row = row_of(shown(), "one")
    for text in ("test", "2.00", "0.20", "2.50", "4.00", "10.00"):
        assert f">{text}<" in row
    assert "unpriced" not in row
    assert row_of(shown(signed_in(User.objects.get())), "one") == row


def test_the_latest_price_in_effect_counts_with_its_tiers() -> None:
    model = make_model("one", priced=False)
    now = timezone.now()
    make_price(model, effective_from=now - dt.timedelta(days=2), input_pico=1, source="old")
    make_price(model, effective_from=now - dt.timedelta(days=1), source="contract of today")
    make_price(model, effective_from=now + dt.timedelta(days=1), input_pico=1, source="to come")
    make_price(model, min_input_tokens=200_001, source="long context", checked_at=now - dt.timedelta(days=9))
    body = shown()
    assert "contract of today" in body
    assert "200,001" in body
    day = now - dt.timedelta(days=9)
    assert f"{day:%b} {day.day}, {day.year}" in body
    for source in (">old<", ">to come<"):
        assert source not in body


def test_unpriced_models_are_counted_and_marked() -> None:
    make_model("bare", priced=False)
    body = shown()
    row = row_of(body, "bare")
    assert 'class="unpriced"' in row
    assert f"{page(ModelPrice, 'add')}?model={LlmModel.objects.get(alias='bare').pk}" in row
    assert "1 model has no price" in body


def test_nothing_is_red_where_all_is_priced() -> None:
    body = shown()
    assert "no price" not in body
    assert "unpriced" not in body


def test_a_price_for_long_contexts_alone_leaves_short_calls_unpriced() -> None:
    make_price(make_model("bare", priced=False), min_input_tokens=1_000)
    assert "1 model has no price" in shown()


def test_what_is_switched_off_is_left_out() -> None:
    LlmModel.objects.filter(alias="gpt-6-luna").update(enabled=False)
    assert "gpt-6-luna" not in shown()


def test_for_staff_with_the_permission_alone() -> None:
    carol = User.objects.create_user("carol@example.org", is_staff=True)
    assert signed_in(carol).get(address()).status_code == 403
    carol.user_permissions.add(Permission.objects.get(codename="view_modelprice"))
    make_model("bare", priced=False)
    assert "add a price" not in shown(signed_in(User.objects.get(pk=carol.pk)))
    for client in (Client(), signed_in(User.objects.create_user("alice@example.org"))):
        assert client.get(address())["Location"].startswith(reverse("admin:login"))


def test_the_list_of_all_prices_leads_to_it_and_nothing_is_inline() -> None:
    assert address() in html_of(superuser().get(page(ModelPrice, "changelist")))
    body = shown(signed_in(User.objects.get()))
    assert "style=" not in body
    assert "<style" not in body


def test_it_asks_the_same_however_many_models(django_assert_num_queries) -> None:
    client = superuser()
    client.get(address())
    for number in range(20):
        make_model(f"model-{number}")
    with django_assert_num_queries(4):  # session, user, models, prices
        client.get(address())
