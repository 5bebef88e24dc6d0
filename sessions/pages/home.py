"""Pages: home, the starter council, and the welcome after the set-up."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.page_base import PageView
from orchestration.models import Provider
from pantheon.errors import NotFound
from sessions.selectors.pages import agents_of, default_alias, recent_sessions
from sessions.selectors.rooms import rooms_with_agents
from sessions.services.chats import session_create
from sessions.services.starter import starter_council_create


class HomeView(PageView):
    def get(self, request: HttpRequest) -> HttpResponse:
        context = {
            "sessions": recent_sessions(self.user),
            "rooms": list(rooms_with_agents(self.user)),
            "agents": agents_of(self.user),
            "default_alias": default_alias(),
        }
        return render(request, "pages/home.html", context)


class StarterView(PageView):
    def post(self, request: HttpRequest) -> HttpResponse:
        room = starter_council_create(owner=self.user)
        session = session_create(owner=self.user, room=room)
        return redirect(f"{reverse('session', args=[session.pk])}?starter=1")


class WelcomeView(PageView):
    """What the administrator sees after the set-up: which providers have their key, and how to give one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        if not self.user.is_staff:
            raise NotFound()
        context = {
            "providers": list(Provider.objects.filter(enabled=True)),
            "default_alias": default_alias(),
        }
        return render(request, "pages/welcome.html", context)
