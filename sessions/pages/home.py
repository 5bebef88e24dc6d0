"""Pages: home, and the starter council."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.models import User
from accounts.pages.base import PageView
from billing.days import month_of, utc_today
from billing.reports.sums import Sums, room_sums
from sessions.models import Agent, Room
from sessions.pages.money import Money, money
from sessions.selectors.pages import agents_of, default_alias, recent_sessions
from sessions.selectors.rooms import list_rooms
from sessions.services.chats import session_create
from sessions.services.starter import starter_council_create


@dataclass(frozen=True, slots=True)
class RoomLine:
    """A room, and the cost of its calls this month."""

    room: Room
    cost: Money
    unpriced_calls: int


class HomeView(PageView):
    def get(self, request: HttpRequest) -> HttpResponse:
        context = {
            "sessions": recent_sessions(self.user),
            "rooms": rooms_of(self.user),
            "agents": agents_of(self.user),
            "most_rooms": Room.MOST_PER_PERSON,
            "most_agents": Agent.MOST_PER_PERSON,
            "default_alias": default_alias(),
        }
        return render(request, "pages/home.html", context)


def rooms_of(user: User) -> list[RoomLine]:
    sums = room_sums(user, month_of(utc_today()))
    rooms = [(room, sums.get(room.pk, Sums())) for room in list_rooms(user)]
    return [RoomLine(room, money(each.priced_cost_pico), each.unpriced_calls) for room, each in rooms]


class StarterView(PageView):
    def post(self, request: HttpRequest) -> HttpResponse:
        room = starter_council_create(owner=self.user)
        session = session_create(owner=self.user, room=room)
        return redirect(f"{reverse('session', args=[session.pk])}?starter=1")
