"""Pages of lists with long rows: a page ends early if its rows are too long together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from django.db.models import prefetch_related_objects
from rest_framework.request import Request

from web.api.pagination import NewestFirst

MAX_PAGE_CHARS = 2_000_000


class SizedPages(NewestFirst):
    """Measure a page's rows first, and read no more of them than fit."""

    most = NewestFirst.max_page_size

    def sizes(self, rows: Sequence[Any]) -> Iterable[int]:
        """Return the characters that each of these rows brings into the answer."""
        raise NotImplementedError

    def get_page_size(self, request: Request) -> int:
        return min(super().get_page_size(request), self.most)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        # Without related rows, which may hold most of the text: they are read only for the rows that fit.
        page: Any = super().paginate_queryset(queryset.prefetch_related(None), request, view)
        if not page:
            return page
        is_backwards = self.cursor is not None and self.cursor.reverse
        self.most = how_many(self.sizes(page[::-1] if is_backwards else page))
        if self.most < len(page):
            return super().paginate_queryset(queryset, request, view)
        prefetch_related_objects(page, *queryset._prefetch_related_lookups)
        return page


def how_many(sizes: Iterable[int]) -> int:
    """Return how many rows, given the characters of each, fit on one page: at least one."""
    fitting = sum(total <= MAX_PAGE_CHARS for total in accumulate(sizes))
    return max(1, fitting)
