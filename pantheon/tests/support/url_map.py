"""The whole URL map with the users that each view admits, and helpers to request its routes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from billing.models import Budget
from sessions.models import File, Summary
from sessions.tests.support.admin_rows import Rows


@dataclass(frozen=True, slots=True)
class Entry:
    """A route with its kind and methods. The objects in its path belong to a user."""

    kind: str
    """public, api, openai (other errors), api-admin, page, page-staff and admin (by permission), admin-open (staff)."""
    methods: str = "GET"


def api(methods: str = "GET") -> Entry:
    return Entry("api", methods)


def page(methods: str = "GET") -> Entry:
    return Entry("page", methods)


API = {
    "health": Entry("public"),
    "ready": Entry("public"),
    "schema": Entry("public"),
    "docs": Entry("public"),
    "auth/me": api(),
    "auth/tokens": api(),
    "auth/tokens/<str:token_id>": api("DELETE"),
    "usage": api(),
    "usage/summary": api(),
    "models": api(),
    "agents": api("GET POST"),
    "agents/<str:agent_id>": api("GET PATCH DELETE"),
    "agents/<str:agent_id>/sessions": api("GET POST"),
    "rooms": api("GET POST"),
    "rooms/<str:room_id>": api("GET PATCH DELETE"),
    "rooms/<str:room_id>/agents": api("PUT"),
    "rooms/<str:room_id>/sessions": api("GET POST"),
    "files": api("GET POST"),
    "files/<str:file_id>": api("GET DELETE"),
    "files/<str:file_id>/content": api(),
    "files/<str:file_id>/text": api(),
    "sessions/<str:session_id>": api("GET PATCH DELETE"),
    "sessions/<str:session_id>/turns": api("GET POST"),
    "sessions/<str:session_id>/turns/estimate": api("POST"),
    "sessions/<str:session_id>/export": api(),
    "sessions/<str:session_id>/messages": api(),
    "sessions/<str:session_id>/fork": api("POST"),
    "sessions/<str:session_id>/summaries": api("GET POST"),
    "search": api(),
    "summaries/<str:summary_id>": api("PATCH"),
    "turns/<str:turn_id>": api(),
    "turns/<str:turn_id>/events": api(),
    "turns/<str:turn_id>/retry": api("POST"),
    "turns/<str:turn_id>/rerun": api("POST"),
    "turns/<str:turn_id>/cancel": api("POST"),
    "admin/usage/summary": Entry("api-admin"),
    "admin/usage/export.csv": Entry("api-admin"),
    "budgets": api(),
    "admin/budgets": Entry("api-admin", "GET POST"),
    "admin/budgets/<str:budget_id>": Entry("api-admin", "GET PATCH DELETE"),
    "admin/invitations": Entry("api-admin", "GET POST"),
    "admin/invitations/<str:invitation_id>": Entry("api-admin", "GET PATCH DELETE"),
    "admin/users/<str:user_id>/suspend": Entry("api-admin", "POST"),
    "admin/users/<str:user_id>/reactivate": Entry("api-admin", "POST"),
}

OPENAI = {
    "models": Entry("openai"),
    "models/<str:model>": Entry("openai"),
    "chat/completions": Entry("openai", "POST"),
}

PAGES = {
    "metrics": Entry("api-admin"),
    "setup/<str:secret>": Entry("public", "GET POST"),
    "invite/<str:secret>": Entry("public", "GET POST"),
    "sign-up": Entry("public", "GET POST"),
    "sign-in": Entry("public", "GET POST"),
    "sign-out": Entry("public", "POST"),
    "forgot-password": Entry("public", "GET POST"),
    "reset-password/<str:user_id>/<str:secret>": Entry("public", "GET POST"),
    "account": page(),
    "account/name": page("GET POST"),
    "account/password": page("GET POST"),
    "account/tokens": page("GET POST"),
    "account/tokens/<str:token_id>/delete": page("POST"),
    "account/export": page(),
    "files": page(),
    "files/<str:file_id>/delete": page("POST"),
    "deleted": page(),
    "": page(),
    "usage": page(),
    "search": page(),
    "palette": page(),
    "starter": page("POST"),
    "welcome": Entry("page-staff"),
    "welcome/<str:provider_id>/test": Entry("page-staff", "GET POST"),
    "agents/new": page("GET POST"),
    "agents/<str:agent_id>": page("GET POST"),
    "agents/<str:agent_id>/delete": page("POST"),
    "agents/<str:agent_id>/chat": page("POST"),
    "agents/<str:agent_id>/restore": page("POST"),
    "rooms/new": page("GET POST"),
    "rooms/<str:room_id>": page(),
    "rooms/<str:room_id>/edit": page("GET POST"),
    "rooms/<str:room_id>/mode": page("POST"),
    "rooms/<str:room_id>/delete": page("POST"),
    "rooms/<str:room_id>/restore": page("POST"),
    "rooms/<str:room_id>/sessions/new": page("POST"),
    "sessions/<str:session_id>": page(),
    "sessions/<str:session_id>/older": page(),
    "sessions/<str:session_id>/turns/<str:turn_id>": page(),
    "sessions/<str:session_id>/summary": page(),
    "sessions/<str:session_id>/menu": page(),
    "sessions/<str:session_id>/pin": page("POST"),
    "sessions/<str:session_id>/seen": page("POST"),
    "sidebar/sessions": page(),
    "sidebar/rooms": page(),
    "sessions/<str:session_id>/rename": page("POST"),
    "sessions/<str:session_id>/delete": page("POST"),
    "sessions/<str:session_id>/restore": page("POST"),
}

APP_LABELS = dict.fromkeys(model._meta.app_label for model in admin.site._registry)
APP_PAGES = f"^(?P<app_label>{'|'.join(APP_LABELS)})/$"
"""Django lists the packages in the order in which they register their first page."""

ADMIN = {
    "costs/": Entry("admin"),
    "costs/shown.csv": Entry("admin"),
    "costs/events.csv": Entry("admin"),
    "costs/teams/": Entry("admin"),
    "costs/teams.csv": Entry("admin"),
    "ledger-audit/": Entry("admin"),
    "read/turns/<str:turn_id>/": Entry("admin"),
    "read/sessions/<str:session_id>/": Entry("admin"),
    "read/files/<str:file_id>/": Entry("admin"),
    "billing/modelprice/current/": Entry("admin"),
    "orchestration/llmmodel/<path:object_id>/reprice/": Entry("admin", "GET POST"),
    "orchestration/llmmodel/<path:object_id>/forget/": Entry("admin", "POST"),
    "accounts/user/<id>/password/": Entry("admin", "GET POST"),
    "accounts/user/<id>/password-link/": Entry("admin", "POST"),
    "login/": Entry("public"),
    "": Entry("admin-open"),
    "logout/": Entry("admin-open", "POST"),
    "password_change/": Entry("admin-open", "GET POST"),
    "password_change/done/": Entry("admin-open"),
    "autocomplete/": Entry("admin"),
    "jsi18n/": Entry("admin-open"),
    "r/<path:content_type_id>/<path:object_id>/": Entry("admin-open"),
    APP_PAGES: Entry("admin-open"),
    "(?P<url>.*)$": Entry("admin-open"),
}

ADMIN_MODELS = (
    *("auth/group", "accounts/user", "accounts/team", "accounts/apitoken", "accounts/invitation"),
    *("accounts/auditentry", "orchestration/provider", "orchestration/llmmodel", "billing/modelprice"),
    *(
        "billing/usageevent",
        "billing/dailyusage",
        "billing/budget",
        "chat_sessions/agent",
        "chat_sessions/room",
    ),
    *("chat_sessions/chatsession", "chat_sessions/turn", "chat_sessions/call", "chat_sessions/message"),
    "chat_sessions/summary",
)
MODEL_PAGES = {
    "": Entry("admin", "GET POST"),
    "add/": Entry("admin", "GET POST"),
    "<path:object_id>/history/": Entry("admin"),
    "<path:object_id>/delete/": Entry("admin", "GET POST"),
    "<path:object_id>/change/": Entry("admin", "GET POST"),
    "<path:object_id>/": Entry("admin-open"),  # redirects to `change/`, which checks access
}

TABLE = {
    **{f"api/v1/{route}": entry for route, entry in API.items()},
    **{f"v1/{route}": entry for route, entry in OPENAI.items()},
    **PAGES,
    **{f"admin/{route}": entry for route, entry in ADMIN.items()},
    **{f"admin/{model}/{route}": entry for model in ADMIN_MODELS for route, entry in MODEL_PAGES.items()},
}

ROUTES: dict[str, URLPattern] = {}


def routes(patterns: Any, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, pattern


ROUTES.update(routes(get_resolver().url_patterns))


def of_kind(*kinds: str) -> list[tuple[str, str]]:
    """Return (route, method) of all entries of these kinds."""
    return [
        (route, method)
        for route, entry in TABLE.items()
        if entry.kind in kinds
        for method in entry.methods.split()
    ]


RETURNS_CONNECTIONS = {
    ("api/v1/sessions/<str:session_id>/turns", "POST"),
    ("api/v1/sessions/<str:session_id>/summaries", "POST"),
    ("api/v1/turns/<str:turn_id>/events", "GET"),
    ("api/v1/turns/<str:turn_id>/retry", "POST"),
    ("api/v1/turns/<str:turn_id>/rerun", "POST"),
}
"""Views that close the database connection before they wait, which ends a test's transaction."""


def path_of(route: str, rows: Rows) -> str:
    """Return the URL of a route, with ids of the owner's objects."""
    ids = {
        "token_id": rows.token.pk,
        "agent_id": rows.agent.pk,
        "room_id": rows.room.pk,
        "session_id": rows.session.pk,
        "turn_id": rows.turn.pk,
        "file_id": File.objects.get(owner=rows.user).pk,
        "summary_id": Summary.objects.get().pk,
        "user_id": rows.user.pk,
        "budget_id": Budget.objects.get(target_id=rows.team.pk).pk,
        "invitation_id": rows.team.invitations.get().pk,
        "provider_id": rows.model.provider_id,
        "id": rows.user.pk,
        "model": f"room:{rows.room.pk}",
        "object_id": object_of(route),
        "content_type_id": 1,
        "secret": "guess",
    }
    path = route.replace(APP_PAGES, "billing/")
    path = path.replace("(?P<url>.*)$", "nowhere/")
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: str(ids[match[1]]), path)


def object_of(route: str) -> object:
    """Return the id of a row of the admin page's model."""
    found = re.match(r"admin/(\w+)/(\w+)/<path:object_id>", route)
    if found is None:
        return "1"
    [model] = [
        model
        for model in admin.site._registry
        if (model._meta.app_label, model._meta.model_name) == found.groups()
    ]
    row = model._default_manager.first()
    return "1" if row is None else row.pk


def send(client: Client, method: str, route: str, rows: Rows) -> Any:
    csrf = client.cookies.get("pantheon_csrf")
    headers = {"X-CSRFToken": csrf.value} if csrf else {}
    path = path_of(route, rows)
    if TABLE[route].kind.startswith(("api", "openai")):
        return client.generic(method, path, b"{}", content_type="application/json", headers=headers)
    return client.get(path) if method == "GET" else client.post(path, headers=headers)
