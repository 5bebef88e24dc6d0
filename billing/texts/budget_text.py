"""Texts about budgets, for pages, files and mails: owner, period, use and consequence."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from billing.budget_scopes import SCOPES
from billing.models import ZERO_UUID, Budget, BudgetNotice
from billing.selectors.budgets import BudgetState, Fill
from billing.texts.money import Money, money
from billing.texts.percents import used_text
from web.dates import day_text, moment_text, month_text


def owner_text(budget: Budget, name: str) -> str:
    """Return the budget's owner for staff. `name`: the target's name, "" for everyone."""
    of = SCOPES[budget.scope].title.format(name=name)
    return f"{of}, each member" if budget.applies == Budget.Applies.EACH else of


def own_title(budget: Budget, name: str) -> str:
    """Return the budget's title for a person whom it binds."""
    scope = SCOPES[budget.scope]
    return (scope.to_each if budget.applies == Budget.Applies.EACH else scope.to_me).format(name=name)


def own_name(budget: Budget, name: str) -> str:
    """Return the budget's name in a sentence for a person whom it binds."""
    scope = SCOPES[budget.scope]
    text = scope.each_mine if budget.applies == Budget.Applies.EACH else scope.mine
    return text.format(name=name, period="daily" if budget.period == Budget.Period.DAY else "monthly")


def period_text(budget: Budget, start: dt.date) -> str:
    """Return the name of a period: `November`, `Nov 22`."""
    return month_text(start) if budget.period == Budget.Period.MONTH else day_text(start)


@dataclass(frozen=True, slots=True)
class Meter:
    """A budget's formatted amounts, and the widths of its bar in percent."""

    fill: Fill
    percent: str
    spent: Money
    held: Money
    available: Money
    limit: Money
    spent_width: str
    held_width: str
    full: bool
    """Whether the whole limit is spent."""


def meter_of(fill: Fill) -> Meter:
    limit = fill.budget.limit_pico
    spent = min(fill.spent_pico, limit) / limit * 100 if limit else 100.0
    held = min(fill.held_pico, max(0, limit - fill.spent_pico)) / limit * 100 if limit else 0.0
    return Meter(
        fill=fill,
        percent=used_text(fill.spent_pico, limit),
        spent=money(fill.spent_pico),
        held=money(fill.held_pico),
        available=money(fill.available_pico),
        limit=money(limit),
        spent_width=f"{spent:.2f}",
        held_width=f"{held:.2f}",
        full=fill.spent_pico >= limit,
    )


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """A budget with its meter, on a page."""

    title: str
    period: str
    meter: Meter
    url: str = ""
    note: str = ""

    @property
    def budget(self) -> Budget:
        return self.meter.fill.budget


def own_line(fill: Fill, name: str) -> BudgetLine:
    return BudgetLine(own_title(fill.budget, name), period_text(fill.budget, fill.start), meter_of(fill))


def staff_line(state: BudgetState, name: str, people: Mapping[uuid.UUID, str], url: str = "") -> BudgetLine:
    """Return a budget's line for staff. `people`: email addresses of its fullest members."""
    fill, note = state.current, ""
    if state.fullest:
        of = (
            "the only member so far"
            if state.members == 1
            else f"who has used most of {state.members:,} members"
        )
        note = f"That is {people[fill.member_id]}, {of}."
    return BudgetLine(
        owner_text(state.budget, name), period_text(state.budget, fill.start), meter_of(fill), url, note
    )


@dataclass(frozen=True, slots=True)
class Banner:
    """The warning on every page while a person's budget is past a threshold."""

    sentence: str
    outlook: str
    """The consequence; the template adds the moment of the reset."""
    fill: Fill

    @property
    def tone(self) -> str:
        if not self.fill.budget.hard:
            return "soft"
        return "full" if self.fill.spent_pico >= self.fill.budget.limit_pico else "hard"


def banner_of(fill: Fill, name: str) -> Banner:
    budget = fill.budget
    spent, limit = money(fill.spent_pico).text, money(budget.limit_pico).text
    used = used_text(fill.spent_pico, budget.limit_pico)
    sentence = f"{used} of {own_name(budget, name)} used ({spent} of {limit})."
    if not budget.hard:
        outlook = "Resets"
    elif fill.spent_pico >= budget.limit_pico:
        outlook = "Requests that cost money are blocked until"
    else:
        outlook = "Requests that could exceed the budget are blocked until"
    return Banner(sentence, outlook, fill)


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """A passed threshold, for staff."""

    title: str
    period: str
    threshold: int
    at: dt.datetime
    budget: Budget


def notice_lines(notices: Iterable[BudgetNotice], names: Mapping[uuid.UUID, str]) -> list[NoticeLine]:
    """Return the lines of notices. `names`: names of the budgets' targets and members, by id."""
    return [
        NoticeLine(
            title=notice_title(notice, names),
            period=period_text(budget, notice.period.start),
            threshold=notice.threshold,
            at=notice.created_at,
            budget=budget,
        )
        for notice in notices
        for budget in [notice.period.budget]
    ]


def notice_title(notice: BudgetNotice, names: Mapping[uuid.UUID, str]) -> str:
    """Return the owner of a budget, or of a per-member budget also the member."""
    budget, member = notice.period.budget, notice.period.member_id
    title = owner_text(budget, names.get(budget.target_id, ""))
    return title if member == ZERO_UUID else f"{title}: {names[member]}"


def notice_mail(notice: BudgetNotice, names: Mapping[uuid.UUID, str]) -> tuple[str, str]:
    """Return subject and text of the mail about a notice. `names` as in `notice_lines`."""
    budget, start = notice.period.budget, notice.period.start
    title, period = notice_title(notice, names), period_text(budget, start)
    spent, limit = money(notice.period.spent_pico).text, money(budget.limit_pico).text
    outlook = (
        "Hard limit: requests that could exceed it are blocked until it resets."
        if budget.hard
        else "Soft limit: nothing is blocked."
    )
    lines = [
        f"The budget “{title}” for {period} has reached {notice.threshold}%: {spent} of {limit} used.",
        outlook,
        f"It resets on {moment_text(budget.resets_at(start))}.",
    ]
    if settings.PANTHEON_URL:
        lines += ["", f"{settings.PANTHEON_URL}{reverse('usage')}"]
    subject = f"Budget {title}, {period}: {notice.threshold}% reached"
    return " ".join(subject.split()), "\n".join(lines) + "\n"
