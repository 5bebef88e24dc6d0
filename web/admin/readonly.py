"""Admin pages that show and never write, and what no admin page shows."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

SEARCHED_BACK = dt.timedelta(days=31)
"""How far a text is looked for where no index finds it."""


class BoundedPaginator(Paginator):
    """Counts no further than MOST: what lies beyond is found by narrowing, not by turning pages."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        found: int = rows.order_by().values("pk")[: self.MOST].count()
        return found


class HiddenFieldsAdmin(admin.ModelAdmin):
    """A model with fields that staff must not learn, such as what people wrote.

    Leaving a field out of the page is not enough: the query string of a list filters by any field of the model,
    so that `?text__startswith=a` would spell a hidden text letter by letter.
    """

    hidden: ClassVar[tuple[str, ...]] = ()
    show_facets = admin.ShowFacets.NEVER  # they count all rows, once for each choice of each filter

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup.partition("__")[0] not in self.hidden and super().lookup_allowed(lookup, value, request)


class ReadOnlyAdmin(HiddenFieldsAdmin):
    """Rows that only Pantheon itself writes. Staff with the view permission may look.

    `search_ids` are the fields in which the search box finds an id: each has an index, since tables may have millions
    of rows. Other text is looked for in `search_fields`; where those have no index, `search_back` names the moment
    that bounds how far.
    """

    search_ids: ClassVar[tuple[str, ...]] = ()
    search_back = ""
    paginator = BoundedPaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            if search_term and self.search_back:
                queryset = queryset.filter(**{f"{self.search_back}__gte": timezone.now() - SEARCHED_BACK})
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(Q(*((name, wanted) for name in self.search_ids), _connector=Q.OR)), False


class ReadOnlyInline(admin.TabularInline):
    """Rows on the page of what they belong to, shown and never written."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def page_link(page: str, pk: uuid.UUID | None, text: object = None) -> SafeString | str:
    """Return a link to the admin page of a row that is known by its id alone, "-" for none (also the zero UUID).

    `page` is app label and model, as in `accounts_user`; so a package links to what it must not import.
    """
    if pk is None or pk.int == 0:
        return "-"
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}_change", args=[pk]), text or pk)
