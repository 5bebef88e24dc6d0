"""Sentences of the audit log about prices and budgets, with their amounts as people read them."""

from __future__ import annotations

import re
from typing import Any

from accounts.audit_sentences import MAKERS, Names, Sentence, changes_of, label_of
from accounts.models import AuditEntry
from billing.fields import MTOK
from billing.texts.money import money

BUDGET_LABEL = re.compile(
    r"(hard|soft) budget per (?P<period>day|month) of (?P<scope>\w+)( (?P<target>[0-9a-f-]{36}))?"
    r"(?P<each> for each member)?"
)
"""How `Budget` names itself."""


def price_sentence(entry: AuditEntry, names: Names) -> Sentence | None:
    """Return "changed the price of gpt-4o from $2.50 in, $10.00 out to ... per 1M tokens"."""
    new = price_text(entry.after)
    if entry.action != "add" or not new:
        return None
    model = label_of(entry).partition(" from ")[0]
    if old := price_text(entry.before):
        return Sentence("changed the price of", model, f" from {old} to {new} per 1M tokens")
    return Sentence("set the price of", model, f" to {new} per 1M tokens")


def price_text(values: dict[str, Any]) -> str:
    """Return the input and output rates of stored values. A rate that did not change is stored in neither."""
    parts = [
        f"{money(values[name] * MTOK).text} {what}"
        for name, what in (("input_pico", "in"), ("output_pico", "out"))
        if isinstance(values.get(name), int)
    ]
    return ", ".join(parts)


def budget_sentence(entry: AuditEntry, names: Names) -> Sentence | None:
    """Return the sentence of a budget, with its owner by name and its limit in dollars."""
    budget = budget_text(label_of(entry), names)
    old, new = entry.before.get("limit_pico"), entry.after.get("limit_pico")
    if entry.action == "delete":
        return Sentence("deleted the", budget)
    if entry.action == "add":
        return Sentence("added the", budget, f": {amount(new)}")
    rest = changes_of(entry, names, left_out=frozenset({"limit_pico"}))
    if new is not None:
        rest = [f"limit from {amount(old)} to {amount(new)}", *rest]
    return Sentence("changed the", budget, f": {'; '.join(rest)}" if rest else "")


def budget_text(label: str, names: Names) -> str:
    """Return what a budget is called in a sentence. Its stored name has the id of its owner."""
    parts = BUDGET_LABEL.fullmatch(label)
    if parts is None:
        return label
    owner = parts["scope"] if parts["target"] is None else names.get(parts["target"], f"a {parts['scope']}")
    period = "daily" if parts["period"] == "day" else "monthly"
    return f"{period} budget of {owner}{', each member' if parts['each'] else ''}"


def amount(pico: object) -> str:
    return money(pico).text if isinstance(pico, int) else "none"


def sentences_register() -> None:
    MAKERS["billing.ModelPrice"] = price_sentence
    MAKERS["billing.Budget"] = budget_sentence
