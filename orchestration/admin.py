"""The catalogue in the administration: providers and models. Changes apply from the next turn, without a restart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Model, QuerySet
from django.db.models.fields.reverse_related import ManyToOneRel
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from accounts.admin.audited import AuditedAdmin, actor_of
from orchestration.gateway.request_fields import FIELDS, RequestField
from orchestration.models import LlmModel, Provider, effort_choices
from orchestration.services import BY_HAND, is_learnt, unsupported_fields_forget, unsupported_with
from web.admin.cells import count_column
from web.admin.links import AdminLink, LinkedAdmin, changelist_link, costs_link
from web.dates import day_text


def is_referenced(row: Model) -> bool:
    """Return whether any row in the database references this one: an agent, a price, a call, a usage event."""
    relations = [relation for relation in row._meta.related_objects if isinstance(relation, ManyToOneRel)]
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: row}).exists()
        for relation in relations
    )


class CatalogueAdmin(AuditedAdmin, admin.ModelAdmin):
    """Rows that are referenced, as by the ledger, can only be disabled, not deleted.

    Checked before Django collects the rows to delete, which for a model may be millions of usage events; for the same
    reason there is no bulk delete.
    """

    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj is not None and is_referenced(obj))


DESTINATION = ("kind", "base_url", "base_url_env", "key_env")
"""Where a provider's key and conversations are sent: only superusers may set these, including on a new provider."""


class ProviderAdmin(LinkedAdmin, CatalogueAdmin):
    """Staff who may change providers can rename, enable, disable and test them.

    Registered by the administration of sessions, which adds the last failures.
    """

    list_display = ("name", "kind", "base_url", "key_env", "key_found", "models", "enabled")
    list_filter = ("kind", "enabled")
    ordering = ("name",)
    search_fields = ("name", "base_url", "key_env")
    fields = (
        "name",
        "kind",
        "base_url",
        "base_url_env",
        "key_env",
        "key_found",
        "enabled",
        "models",
        "created_at",
    )
    readonly_fields = ("key_found", "models", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser and super().has_add_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, *DESTINATION)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return super().get_queryset(request).annotate(model_count=Count("llm_models"))

    def links(self, row: Provider) -> list[AdminLink]:
        return [
            changelist_link("Models", "orchestration_llmmodel", provider__id__exact=row.pk),
            costs_link(provider=row.pk),
        ]

    @admin.display(boolean=True, description="Key found")
    def key_found(self, provider: Provider) -> bool | None:
        return None if provider._state.adding else provider.has_key

    @admin.display(description="Models", ordering="model_count")
    def models(self, provider: Provider) -> SafeString | str:
        if provider._state.adding:
            return "-"
        url = f"{reverse('admin:orchestration_llmmodel_changelist')}?provider__id__exact={provider.pk}"
        return format_html('<a href="{}">{}</a>', url, provider.model_count)  # type: ignore[attr-defined]


WINDOW = count_column("context_window", "Context window")
MOST_OUTPUT = count_column("max_output_tokens", "Max output tokens")


class LlmModelForm(forms.ModelForm):
    """A model with the request fields that are left out for it."""

    left_out = forms.MultipleChoiceField(
        label="Left out of requests",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Request fields that the model's server refuses. Clear a field to send it again.",
    )
    reasoning_efforts = forms.MultipleChoiceField(
        required=False,
        choices=effort_choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=LlmModel._meta.get_field("reasoning_efforts").help_text,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = self.instance.unsupported
        # A single effort is listed once it was refused.
        listed = [key for key in FIELDS if key in known or "=" not in key]
        choices = [(key, left_out_label(key, known)) for key in listed]
        cast("forms.MultipleChoiceField", self.fields["left_out"]).choices = choices
        self.initial["left_out"] = list(known)

    def save(self, commit: bool = True) -> LlmModel:
        self.instance.unsupported = unsupported_with(
            self.instance.unsupported, self.cleaned_data["left_out"], reason=BY_HAND
        )
        model: LlmModel = super().save(commit)
        return model


@dataclass(frozen=True, slots=True)
class LearntField:
    """A request field that a model's server has refused."""

    field: RequestField
    since: str
    reason: str


def learnt_fields(model: LlmModel) -> list[LearntField]:
    """Return the request fields that a model's server has refused, in the order of the form."""
    known = model.unsupported
    return [
        LearntField(field, since_text(known[key]), str(known[key].get("reason", "")))
        for key, field in FIELDS.items()
        if key in known and is_learnt(known[key])
    ]


def since_text(entry: Mapping[str, Any]) -> str:
    """Return the day on which a field was first refused."""
    try:
        return day_text(dt.date.fromisoformat(str(entry.get("since", ""))[:10]))
    except ValueError:
        return "an unknown day"


def left_out_label(key: str, known: Mapping[str, Any]) -> str:
    """Return a field's name, what is done without it, and since when and why it is left out."""
    label = f"{key}: {FIELDS[key].effect}"
    if (entry := known.get(key)) is None:
        return label
    return f"{label} Since {since_text(entry)}: {entry.get('reason', '')}."


class LlmModelAdmin(CatalogueAdmin):
    """Registered by billing's admin, which adds the price."""

    form = LlmModelForm

    list_display: tuple[Any, ...] = (
        *("alias", "provider", "enabled", "key_found"),
        *("model_id", WINDOW, MOST_OUTPUT),
    )
    list_filter = ("enabled", "provider")
    list_select_related = ("provider",)
    search_fields = ("alias", "model_id", "provider__name")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("provider", "model_id", "alias", "enabled", "key_found", "created_at")}),
        ("Limits", {"fields": ("context_window", "max_output_tokens")}),
        (
            "Abilities",
            {
                "fields": (
                    "json_schema",
                    "temperature",
                    "vision",
                    "prompt_caching",
                    "reasoning_efforts",
                    "reasoning_effort",
                )
            },
        ),
        (
            "Advanced",
            {
                "fields": ("served_as", "first_token_timeout_s", "position", "left_out"),
                "classes": ("collapse",),
            },
        ),
    )
    readonly_fields: ClassVar[tuple[str, ...]] = ("key_found", "created_at")

    def get_readonly_fields(self, request: HttpRequest, obj: LlmModel | None = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        # They decide where the conversations of all users of a model go: see DESTINATION.
        return (
            fields if obj is None or request.user.is_superuser else (*fields, "alias", "provider", "model_id")
        )

    def get_urls(self) -> list[Any]:
        forget = self.admin_site.admin_view(require_POST(self.forget))
        own = path("<path:object_id>/forget/", forget, name="orchestration_llmmodel_forget")
        return [own, *super().get_urls()]

    def forget(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Forget what refusals have taught about a model."""
        model = self.get_object(request, unquote(object_id))
        if model is None:
            raise Http404
        if not self.has_change_permission(request, model):
            raise PermissionDenied
        forgotten = unsupported_fields_forget(model_id=model.pk, actor_id=actor_of(request))
        sent = (
            f"Sent again from the next turn: {', '.join(forgotten)}."
            if forgotten
            else "All fields are being sent already."
        )
        messages.success(request, sent)
        return redirect("admin:orchestration_llmmodel_change", model.pk)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: LlmModel | None = None,
    ) -> HttpResponse:
        context["learnt"] = [] if obj is None else learnt_fields(obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(boolean=True, description="Key found")
    def key_found(self, model: LlmModel) -> bool | None:
        return None if model._state.adding else model.provider.has_key

    @admin.display(description="Left out of requests")
    def left_out(self, model: LlmModel) -> str:
        """Return the fields, for staff without the permission to change them."""
        return " ".join(left_out_label(key, model.unsupported) for key in model.unsupported) or "-"
