"""Pages: create, change and delete a room, and start a session in it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import User
from accounts.pages.base import PageView, add_errors, form_page
from sessions.access import access_agent, access_room, access_session
from sessions.models import Agent, Room
from sessions.models.modes import room_modes
from sessions.pages.connect import connect_to
from sessions.pages.forms import ModeForm, RoomForm, Seat, goal_requests, seats_from, seats_of
from sessions.pages.mine import message_deleted
from sessions.selectors.pages import agents_in, agents_of, default_alias, latest_session, unused_session
from sessions.services.chats import session_create
from sessions.services.rooms import room_create, room_delete, room_update
from web.errors import ValidationFailed


class RoomNewView(PageView):
    def get(self, request: HttpRequest) -> HttpResponse:
        return show(request, RoomForm(), None, seats_of(agents_of(self.user), []))

    def post(self, request: HttpRequest) -> HttpResponse:
        form, seats = RoomForm(request.POST), posted_seats(request, self.user)
        if form.is_valid():
            try:
                agents = members_of(seats)
                room = room_create(owner=self.user, agents=agents, **form.cleaned_data)
                if agents:
                    session_create(owner=self.user, room=room)  # so that the user can ask at once
                return redirect("room", room.pk)
            except ValidationFailed as error:
                add_errors(form, error)
        return show(request, form, None, seats)


class RoomEditView(PageView):
    def get(self, request: HttpRequest, room_id: str) -> HttpResponse:
        room = access_room(self.user, room_id)
        return show(request, RoomForm(room=room), room, seats_of(agents_of(self.user), agents_in(room)))

    def post(self, request: HttpRequest, room_id: str) -> HttpResponse:
        room = access_room(self.user, room_id)
        form, seats = RoomForm(request.POST, room=room), posted_seats(request, self.user)
        if form.is_valid():
            try:
                room_update(room=room, agents=members_of(seats), **form.cleaned_data)
                return redirect("room", room.pk)
            except ValidationFailed as error:
                add_errors(form, error)
                room.refresh_from_db()
        return show(request, form, room, seats)


class RoomModeView(PageView):
    """The switch beside the conversation: mode and depth, effective from the next message."""

    def post(self, request: HttpRequest, room_id: str) -> HttpResponse:
        room = access_room(self.user, room_id)
        form = ModeForm(request.POST)
        if not form.is_valid():
            raise ValidationFailed(
                {name: [str(error) for error in errors] for name, errors in form.errors.items()}
            )
        if form.changes:
            room_update(room=room, **form.changes)
        if form.cleaned_data["session"]:
            return redirect("session", access_session(self.user, form.cleaned_data["session"]).pk)
        return redirect("room", room.pk)


class RoomDeleteView(PageView):
    def post(self, request: HttpRequest, room_id: str) -> HttpResponse:
        room = access_room(self.user, room_id)
        room_delete(room=room)
        message_deleted(request, f"The room “{room.name}”", reverse("room-restore", args=[room.pk]))
        return redirect("home")


class RoomPage(PageView):
    """The workspace: the room's latest session, or the room itself while it has no messages."""

    def get(self, request: HttpRequest, room_id: str) -> HttpResponse:
        room = access_room(self.user, room_id)
        latest = latest_session(room)
        if latest is not None:
            return redirect("session", latest.pk)
        context = {
            "room": room,
            "agents": agents_in(room),
            "modes": room_modes(),
            "default_alias": default_alias(),
            "connect": connect_to(request, room=room),
        }
        return render(request, "pages/room.html", context)


class RoomSessionNewView(PageView):
    def post(self, request: HttpRequest, room_id: str) -> HttpResponse:
        room = access_room(self.user, room_id)
        session = unused_session(room=room) or session_create(owner=self.user, room=room)
        return redirect("session", session.pk)


def posted_seats(request: HttpRequest, user: User) -> list[Seat]:
    """Return the seats of a sent form. Raises NotFound for an agent that is not the user's."""
    listed = agents_of(user)
    known = {str(agent.pk) for agent in listed}
    others = dict.fromkeys(agent_id for agent_id in request.POST.getlist("agent") if agent_id not in known)
    return seats_from(request.POST, [*listed, *(access_agent(user, agent_id) for agent_id in others)])


def members_of(seats: Sequence[Seat]) -> list[Agent]:
    return [seat.agent for seat in seats if seat.is_member]


def show(request: HttpRequest, form: RoomForm, room: Room | None, seats: Sequence[Seat]) -> HttpResponse:
    return form_page(
        request,
        "pages/room_form.html",
        form,
        room=room,
        seats=seats,
        default_alias=default_alias(),
        goal_requests=json.dumps(goal_requests()),
    )
