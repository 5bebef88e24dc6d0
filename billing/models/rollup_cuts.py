"""The cuts of `UsageTotal`: which columns of the daily rollup's key each kind of row keeps.

A report reads the smallest cut that has the columns of its filters and of its groups. Teams, models, purposes and
modes are few: each has a cut, alone, with each other one, and with all of them, by day. People, rooms and agents are
many, so a cut of each is kept by week too, and so is the whole key: 30 days are then some three weeks and nine days.
Each of them keeps the team with it, for one team's people, rooms and agents: hardly any has two, so it costs no rows.
No agent and no room are no small part of the rows as one agent or room is, but orchestration's and direct chat's: cuts
of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

FEW = ("team_id", "model_id", "purpose", "mode")
MANY = ("user_id", "room_id", "agent_id")
EVERYTHING = (*FEW, *MANY)


def without_id(column: str) -> str:
    return column.removesuffix("_id")


NONE: Mapping[str, tuple[str, ...]] = {
    f"no {without_id(none)}+{without_id(column)}": (none, column)
    for none in ("agent_id", "room_id")
    for column in FEW
}
"""Name -> columns, the first of which is none in all rows that are summed; by day."""

OF_TEAMS: Mapping[str, tuple[str, ...]] = {without_id(column): ("team_id", column) for column in MANY}

DAILY: Mapping[str, tuple[str, ...]] = {
    "total": (),
    **{without_id(column): (column,) for column in FEW},
    **OF_TEAMS,
    **{"+".join(map(without_id, pair)): pair for pair in combinations(FEW, 2)},
    "few": FEW,
    **NONE,
}
"""Name -> columns; the days are those of the daily rollup."""

WEEKLY: Mapping[str, tuple[str, ...]] = {
    **{f"week:{cut}": columns for cut, columns in OF_TEAMS.items()},
    "week:all": EVERYTHING,
}
"""Name -> columns; the day is the Monday of the week."""

CUTS = {**DAILY, **WEEKLY}


def daily_cut(columns: Iterable[str], none: Iterable[str] = ()) -> str | None:
    """Return the smallest daily cut that keeps these columns; None where only the daily rollup itself does.

    `none`: columns that are none in all rows that are wanted.
    """
    wanted, known = set(columns), set(none)
    found = [
        name
        for name, kept in DAILY.items()
        if wanted.issubset(kept) and (name not in NONE or kept[0] in known)
    ]
    return min(found, key=lambda name: len(DAILY[name]), default=None)


def is_small(cut: str | None) -> bool:
    """Return whether a day has few rows of a cut, however many people, rooms and agents there are."""
    return cut is not None and (cut in NONE or set(DAILY[cut]).issubset(FEW))


def weekly_cut(columns: Iterable[str]) -> str:
    """Return the smallest weekly cut that keeps these columns."""
    wanted = set(columns)
    found = [name for name, kept in WEEKLY.items() if wanted.issubset(kept)]
    return min(found, key=lambda name: len(WEEKLY[name]))
