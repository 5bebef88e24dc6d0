"""The cuts of `UsageTotal`: the columns of the daily rollup's key that each kind of row keeps.

A report reads the smallest cut with the columns of its filters and groups. Teams, models, purposes and modes are few:
there is a daily cut of each, of each pair, and of all four. People, rooms and agents are many, so their cuts and the
whole key are also kept by week: 30 days are then about three weeks and nine days. These cuts include the team, for
reports of one team; hardly any person, room or agent has two teams, so this adds no rows. Calls without an agent
(orchestration) or without a room (direct chat) are a large part of the rows, so they have cuts of their own.
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
"""Daily cuts of the rows without an agent or room. Name -> columns, the first of which is none in all these rows."""

OF_TEAMS: Mapping[str, tuple[str, ...]] = {without_id(column): ("team_id", column) for column in MANY}

DAILY: Mapping[str, tuple[str, ...]] = {
    "total": (),
    **{without_id(column): (column,) for column in FEW},
    **OF_TEAMS,
    **{"+".join(map(without_id, pair)): pair for pair in combinations(FEW, 2)},
    "few": FEW,
    **NONE,
}
"""Daily cuts: name -> columns."""

WEEKLY: Mapping[str, tuple[str, ...]] = {
    **{f"week:{cut}": columns for cut, columns in OF_TEAMS.items()},
    "week:all": EVERYTHING,
}
"""Weekly cuts: name -> columns. The day is the week's Monday."""

CUTS = {**DAILY, **WEEKLY}


def smallest_daily_cut(columns: Iterable[str], none: Iterable[str] = ()) -> str | None:
    """Return the smallest daily cut that keeps these columns; None if only the daily rollup does.

    `none`: columns that are none in all wanted rows.
    """
    wanted, always_none = set(columns), set(none)
    cuts = [
        name
        for name, kept in DAILY.items()
        if wanted.issubset(kept) and (name not in NONE or kept[0] in always_none)
    ]
    return min(cuts, key=lambda name: len(DAILY[name]), default=None)


def is_small(cut: str | None) -> bool:
    """Return whether a cut has few rows per day, however many people, rooms and agents there are."""
    return cut is not None and (cut in NONE or set(DAILY[cut]).issubset(FEW))


def smallest_weekly_cut(columns: Iterable[str]) -> str:
    """Return the smallest weekly cut that keeps these columns."""
    wanted = set(columns)
    cuts = [name for name, kept in WEEKLY.items() if wanted.issubset(kept)]
    return min(cuts, key=lambda name: len(WEEKLY[name]))
