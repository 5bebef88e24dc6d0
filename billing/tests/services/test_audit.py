"""Changes of the catalogue and its prices by staff and commands are in the audit log."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEntry
from accounts.tests.support.admin_site import page, static_files_as_they_are, superuser
from billing.models import ModelPrice
from billing.tests.factories import make_model
from orchestration.models import LlmModel, Provider

__all__ = ["static_files_as_they_are"]

pytestmark = pytest.mark.django_db


def test_a_price() -> None:
    model = make_model(priced=False)
    form = {
        "model": model.pk,
        "effective_from_0": "2026-11-01",
        "effective_from_1": "00:00",
        "min_input_tokens": 0,
        "input_pico": "2",
        "output_pico": "10",
        "source": "our contract",
    }
    response = superuser().post(page(ModelPrice, "add"), form)
    assert response.status_code == 302
    price = ModelPrice.objects.get(model=model)
    [found] = AuditEntry.objects.all()
    assert (found.action, found.object_type, found.object_id) == ("add", "billing.ModelPrice", str(price.pk))
    assert (found.after["input_pico"], found.after["source"]) == (2_000_000, "our contract")


def test_the_catalogue() -> None:
    client = superuser()
    client.post(page(Provider, "add"), {"name": "another", "kind": "openai", "enabled": "on"})
    provider = Provider.objects.get(name="another")
    client.post(page(Provider, "change", provider.pk), {"name": "another", "kind": "openai"})
    client.post(page(Provider, "delete", provider.pk), {"post": "yes"})
    made, changed, gone = AuditEntry.objects.order_by("at")
    assert (made.action, made.after["name"]) == ("add", "another")
    assert (changed.before, changed.after) == ({"enabled": True}, {"enabled": False})
    assert (gone.action, gone.before["name"], gone.after) == ("delete", "another", {})


def test_a_model() -> None:
    model = make_model()
    form = {
        "alias": "renamed",
        "provider": model.provider_id,
        "model_id": model.model_id,
        "position": 100,
        "context_window": 32_768,
        "max_output_tokens": 2_048,
        "json_schema": "on",
        "prompt_caching": "on",
        "temperature": "on",
    }
    superuser().post(page(LlmModel, "change", model.pk), {**form, "enabled": "on"})
    [found] = AuditEntry.objects.all()
    assert (found.before, found.after) == ({"alias": "test-model"}, {"alias": "renamed"})


def command(*arguments: str) -> list[AuditEntry]:
    """Run a command; return its audit entries."""
    call_command(*arguments, stdout=StringIO())
    return list(AuditEntry.objects.order_by("at"))


def test_a_model_from_the_command_line() -> None:
    provider = make_model().provider
    sizes = ("--context-window", "8192", "--max-output", "1024")
    prices = ("--input-usd-per-mtok", "2", "--output-usd-per-mtok", "10")
    where = ("--provider", provider.name, "--model-id", "x-1")
    model, price = command("add_model", "extra", *where, *sizes, *prices)
    assert (model.actor_id, model.action, model.object_type) == (None, "add", "orchestration.LlmModel")
    assert (price.actor_id, price.action, price.object_type) == (None, "add", "billing.ModelPrice")
    stored = ModelPrice.objects.get(model__alias="extra")
    assert (price.object_id, price.after["input_pico"]) == (str(stored.pk), 2_000_000)
    assert "command line" in superuser().get(page(AuditEntry, "changelist")).content.decode()


def test_prices_from_a_file(tmp_path: Path) -> None:
    make_model(alias="m", priced=False)
    head = "alias,effective_from,min_input_tokens,input,cache_read,cache_write_5m,cache_write_1h,output"
    file = tmp_path / "prices.csv"
    file.write_text(f"{head}\nm,2026-11-01,,2,,,,10\nm,2026-12-01,,3,,,,10\n")
    entries = command("import_prices", str(file))
    assert {entry.object_id for entry in entries} == {
        str(pk) for pk in ModelPrice.objects.filter(model__alias="m").values_list("pk", flat=True)
    }
    assert len(entries) == 2
    assert len(command("import_prices", str(file))) == 2  # all there already


def test_prices_that_are_refused_leave_nothing(tmp_path: Path) -> None:
    make_model(alias="m", priced=False)
    head = "alias,effective_from,min_input_tokens,input,cache_read,cache_write_5m,cache_write_1h,output"
    file = tmp_path / "prices.csv"
    file.write_text(f"{head}\nm,2026-11-01,,2,,,,10\nnobody,2026-12-01,,3,,,,10\n")
    with pytest.raises(CommandError):
        command("import_prices", str(file))
    assert not AuditEntry.objects.exists()


def test_prices_from_the_installed_data() -> None:
    sizes = {"context_window": 128_000, "max_output_tokens": 16_384}
    openai = Provider.objects.get(name="openai")
    LlmModel.objects.create(alias="unpriced", provider=openai, model_id="gpt-4o", **sizes)
    assert command("sync_prices", "--dry-run") == []
    before = set(ModelPrice.objects.values_list("pk", flat=True))
    entries = command("sync_prices")
    added = set(ModelPrice.objects.values_list("pk", flat=True)) - before
    assert added
    assert {entry.object_id for entry in entries} == {str(pk) for pk in added}
    assert {(entry.actor_id, entry.action) for entry in entries} == {(None, "add")}


def test_after_a_command_others_are_not_written_down() -> None:
    command("sync_prices")
    count = AuditEntry.objects.count()
    make_model(alias="later")
    assert AuditEntry.objects.count() == count
