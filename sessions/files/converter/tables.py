"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell_text(cell) for cell in cells)} |"


def cell_text(cell: str) -> str:
    """Return a cell on one line that does not end the cell."""
    return " ".join(cell.split()).replace("|", "\\|")


def rule(columns: int) -> str:
    """Return the line below the head."""
    return f"|{' --- |' * columns}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first row is its head; "" without rows."""
    if not rows:
        return ""
    columns = max(map(len, rows))
    padded = [[*row, *[""] * (columns - len(row))] for row in rows]
    return "\n".join([table_row(padded[0]), rule(columns), *map(table_row, padded[1:])])
