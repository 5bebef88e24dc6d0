"""Pages: create, change and delete an agent, and chat with it alone."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.pages.base import PageView, add_errors, form_page
from sessions.access import access_agent
from sessions.models import Agent
from sessions.pages.forms import AgentForm
from sessions.pages.mine import message_deleted
from sessions.selectors.pages import SessionList, sessions_of_agent, unused_session
from sessions.services.agents import agent_create, agent_delete, agent_update
from sessions.services.chats import session_create
from web.errors import PantheonError, ValidationFailed


class AgentNewView(PageView):
    def get(self, request: HttpRequest) -> HttpResponse:
        return show(request, AgentForm(), None)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = AgentForm(request.POST)
        if form.is_valid():
            try:
                agent = agent_create(owner=self.user, **form.cleaned_data)
                return self.after(request, agent)
            except PantheonError as error:
                refuse(form, error)
        return show(request, form, None)

    def after(self, request: HttpRequest, agent: Agent) -> HttpResponse:
        """Confirm the new agent, and go where the button or the page before leads."""
        messages.success(request, f"{agent.name} (@{agent.key}) was created.")
        if request.POST.get("then") == "chat":
            return redirect("session", session_create(owner=self.user, agent=agent).pk)
        if request.POST.get("then") == "another":
            return redirect("agent-new")
        return redirect("room-new" if request.GET.get("for") == "room" else "home")


class AgentPage(PageView):
    def get(self, request: HttpRequest, agent_id: str) -> HttpResponse:
        agent = access_agent(self.user, agent_id)
        return show(request, AgentForm(agent=agent), agent)

    def post(self, request: HttpRequest, agent_id: str) -> HttpResponse:
        agent = access_agent(self.user, agent_id)
        form = AgentForm(request.POST, agent=agent)
        if form.is_valid():
            try:
                agent_update(agent=agent, **form.cleaned_data)
                return redirect("home")
            except PantheonError as error:
                refuse(form, error)
                agent.refresh_from_db()
        return show(request, form, agent)


class AgentDeleteView(PageView):
    def post(self, request: HttpRequest, agent_id: str) -> HttpResponse:
        agent = access_agent(self.user, agent_id)
        agent_delete(agent=agent)
        message_deleted(request, f"{agent.name} (@{agent.key})", reverse("agent-restore", args=[agent.pk]))
        return redirect("home")


class AgentChatView(PageView):
    """Chat with one agent alone."""

    def post(self, request: HttpRequest, agent_id: str) -> HttpResponse:
        agent = access_agent(self.user, agent_id)
        session = unused_session(agent=agent) or session_create(owner=self.user, agent=agent)
        return redirect("session", session.pk)


def show(request: HttpRequest, form: AgentForm, agent: Agent | None) -> HttpResponse:
    sessions = (
        sessions_of_agent(agent, every=request.GET.get("sessions") == "all")
        if agent
        else SessionList([], False)
    )
    return form_page(
        request,
        "pages/agent.html",
        form,
        agent=agent,
        sessions=sessions.shown,
        more_sessions=sessions.more,
    )


def refuse(form: AgentForm, error: PantheonError) -> None:
    """Show a service's error at the field it concerns; raise an error that concerns none."""
    if isinstance(error, ValidationFailed):
        add_errors(form, error)
    elif error.code == "agent_key_taken":
        form.add_error("key", error.message)
    else:
        raise error
