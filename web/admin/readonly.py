"""Read-only admin pages, and fields that the admin never shows."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

if TYPE_CHECKING:
    _Base = admin.ModelAdmin
else:
    _Base = object

SEARCHED_BACK = dt.timedelta(days=31)
"""Age of the oldest rows that a text search without an index reads."""


class BoundedPaginator(Paginator):
    """Count at most MOST rows: nobody turns that many pages, and a full count reads the whole table."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        count: int = rows.order_by().values("pk")[: self.MOST].count()
        return count


class OwnLookupsAdmin(_Base):
    """Refuses filters by what a list computes for its columns.

    Django lets the query string filter by any annotation, so `?spent__gt=1` would reveal to everybody who sees the
    list what a column shows to some.
    """

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        computed = self.get_queryset(request).query.annotations
        return lookup.partition("__")[0] not in computed and super().lookup_allowed(lookup, value, request)


class HiddenFieldsAdmin(OwnLookupsAdmin, admin.ModelAdmin):
    """Admin of a model with fields that staff must not read, such as message texts.

    Leaving a field out of the page is not enough: the query string of a changelist filters by any field, so
    `?text__startswith=a` would reveal a hidden text letter by letter.
    """

    hidden: ClassVar[tuple[str, ...]] = ()
    show_facets = admin.ShowFacets.NEVER  # facets count all rows, once per choice of each filter

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup.partition("__")[0] not in self.hidden and super().lookup_allowed(lookup, value, request)


class ReadOnlyAdmin(HiddenFieldsAdmin):
    """Admin of rows that only Pantheon itself writes; staff with the view permission can read them.

    A UUID in the search box is looked up in `search_ids`, which must be indexed: tables can have millions of rows.
    Other text is searched in `search_fields`. If those have no index, set `search_back` to a datetime field: only
    the rows of the last SEARCHED_BACK are searched.
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
            row_id = uuid.UUID(search_term.strip())
        except ValueError:
            if search_term and self.search_back:
                queryset = queryset.filter(**{f"{self.search_back}__gte": timezone.now() - SEARCHED_BACK})
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(Q(*((name, row_id) for name in self.search_ids), _connector=Q.OR)), False


class ReadOnlyInline(admin.TabularInline):
    """Show related rows without letting anybody change them: a list, on a phone cards."""

    template = "admin/readonly_rows.html"

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def page_link(page: str, pk: uuid.UUID | None, text: object = None) -> SafeString | str:
    """Return a link to the admin page of a row, given its id alone; "-" for None and for the zero UUID.

    Without `text` it is called by the start of the id.

    `page` is app label and model, as in `accounts_user`, so that a package can link to what it must not import.
    """
    if pk is None or pk.int == 0:
        return "-"
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{page}_change", args=[pk]), text or str(pk)[:8])
