"""The audit log in the administration: sentences, filtered by person, kind and date."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.access import parse_id
from accounts.audit_sentences import VERBS, ids_in, kind_of, sentence_of
from accounts.models import AuditEntry, Team, User
from web.admin.cells import facts_cell
from web.admin.readonly import ReadOnlyAdmin, page_link
from web.errors import NotFound

KINDS = (
    *("accounts.User", "accounts.Team", "auth.Group", "accounts.Invitation", "accounts.ApiToken"),
    *("billing.Budget", "billing.ModelPrice", "orchestration.LlmModel", "orchestration.Provider"),
    *("chat_sessions.Turn", "chat_sessions.ChatSession"),
)
"""The types of the filter. A filter by all values would read the whole log."""

PEOPLE = 50
"""Staff in the filter; the search finds everybody by their address."""


class PersonFilter(admin.SimpleListFilter):
    title = parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        staff = User.objects.filter(is_staff=True).order_by("name", "email")[:PEOPLE]
        return [("none", "Command line"), *((str(user.pk), str(user)) for user in staff)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (value := self.value()) is None:
            return queryset
        if value == "none":
            return queryset.filter(actor_id=None)
        try:
            return queryset.filter(actor_id=parse_id(value))
        except NotFound:
            return queryset.none()


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = "kind", "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, kind_of(kind)[:1].upper() + kind_of(kind)[1:]) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(object_type=self.value()) if self.value() else queryset


class ActionFilter(admin.SimpleListFilter):
    title = parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action, action.capitalize()) for action in VERBS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The audit log of the administration, read-only: a fixed number of statements."""

    list_display = ("at", "sentence")
    list_filter = ("at", PersonFilter, KindFilter, ActionFilter)
    date_hierarchy = "at"
    sortable_by = ("at",)
    search_help_text = "Part of a name, an email address, or an ID."
    search_fields = ("object_label", "object_id__exact")
    search_ids = ("id", "actor_id")
    fields = ("at", "sentence", "kind", "row_id", "values_before", "values_after")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        actor = User.objects.filter(pk=OuterRef("actor_id"))
        entries = super().get_queryset(request)
        return entries.annotate(
            actor_name=Subquery(actor.values("name")[:1]), actor_email=Subquery(actor.values("email")[:1])
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, duplicates = super().get_search_results(request, queryset, search_term)
        if "@" not in search_term:
            return found, duplicates
        people = list(
            User.objects.filter(email=User.normalize_email(search_term)).values_list("pk", flat=True)
        )
        texts = [str(pk) for pk in people]
        by_person = Q(actor_id__in=people) | Q(object_id__in=texts) | Q(object_label__icontains=search_term)
        return queryset.filter(by_person), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist: Any = super().get_changelist_instance(request)
        changelist.result_list = with_names(changelist.result_list)
        return changelist

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Call the page by what was done."""
        entry = self.get_object(request, unquote(object_id))
        done = entry and f"{VERBS.get(entry.action, entry.action)} {entry.object_label}".strip()
        named = {"row_name": f"{done[:1].upper()}{done[1:]}"} if done else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **named})

    @admin.display(description="Kind")
    def kind(self, entry: AuditEntry) -> str:
        name = kind_of(entry.object_type)
        return f"{name[:1].upper()}{name[1:]}"

    @admin.display(description="ID")
    def row_id(self, entry: AuditEntry) -> str:
        return entry.object_id or "-"

    @admin.display(description="Before")
    def values_before(self, entry: AuditEntry) -> SafeString | str:
        return facts_cell(entry.before)

    @admin.display(description="After")
    def values_after(self, entry: AuditEntry) -> SafeString | str:
        return facts_cell(entry.after)

    @admin.display(description="What happened")
    def sentence(self, entry: AuditEntry) -> SafeString:
        """Return the entry as a sentence, with links to the person and to the object."""
        if not hasattr(entry, "names"):
            with_names([entry])
        made = sentence_of(entry, entry.names)  # type: ignore[attr-defined]
        return format_html(
            "{} {} {}{}", actor_link(entry), made.verb, object_link(entry, made.object), made.rest
        )


def with_names(entries: Iterable[AuditEntry]) -> list[AuditEntry]:
    """Set `names` on each entry, of the teams and users that it speaks of; two statements."""
    rows: list[Any] = list(entries)
    ids = ids_in(rows)
    named = [*Team.objects.filter(pk__in=ids), *User.objects.filter(pk__in=ids)]
    names = {str(row.pk): str(row) for row in named}
    for row in rows:
        row.names = names
    return rows


def actor_link(entry: Any) -> SafeString | str:
    if entry.actor_id is None:
        return "The command line"
    name = entry.actor_name or entry.actor_email or "A deleted user"
    return page_link("accounts_user", entry.actor_id, name) if entry.actor_email else name


def object_link(entry: AuditEntry, text: str) -> SafeString | str:
    """Return a link to the object if it has an admin page; else its name."""
    if not text or not entry.object_label:
        return text
    label, _, model = entry.object_type.lower().partition(".")
    try:
        return page_link(f"{label}_{model}", uuid.UUID(entry.object_id), text)
    except (ValueError, NoReverseMatch):
        return text
