"""API: rooms and their agents."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import ApiView
from accounts.models import ApiToken, User
from sessions.access import access_agent, access_room
from sessions.api.agents import AgentSerializer
from sessions.api.fields import ModelAliasField
from sessions.api.sized_pages import SizedPages
from sessions.models import Agent, Room
from sessions.selectors.rooms import agents_of_room, prompt_chars, rooms_with_agents
from sessions.services.rooms import MAX_AGENTS, room_create, room_delete, room_set_agents, room_update
from web.api.schema import operation
from web.errors import NotFound, ValidationFailed


class RoomSerializer(serializers.ModelSerializer[Room]):
    manager_model = ModelAliasField(
        help_text="Alias of the manager's model; null: the instance's, else the first agent's."
    )
    agents = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        write_only=True,
        help_text="Ids of the user's own agents, in order.",
    )

    class Meta:
        model = Room
        fields = (
            "id",
            "name",
            "goal",
            "mode",
            "manager_model",
            "max_rounds",
            "speaker_guard",
            "agents",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "created_at", "updated_at")
        extra_kwargs = {
            "id": {"help_text": "The room."},
            "name": {"help_text": "Display name."},
            "goal": {"help_text": "Goal that all agents share; required for the mode `orchestrator`."},
            "mode": {"required": True, "help_text": "The mode in which its agents answer."},
            "max_rounds": {"help_text": "Maximum rounds before the manager's conclusion."},
            "speaker_guard": {"help_text": "Cut answers that continue as another member."},
            "created_at": {"help_text": "RFC 3339, UTC."},
            "updated_at": {"help_text": "RFC 3339, UTC."},
        }


class RoomShape(RoomSerializer):
    """A room as returned by the API."""

    agents = serializers.SerializerMethodField(  # type: ignore[assignment]
        help_text="Its agents, in order."
    )

    @extend_schema_field(AgentSerializer(many=True))
    def get_agents(self, room: Room) -> Any:
        return AgentSerializer(agents_of_room(room), many=True).data


class AgentIdsSerializer(serializers.Serializer[Any]):
    agents = serializers.ListField(child=serializers.UUIDField())


def own_agents(user: User, agent_ids: Sequence[uuid.UUID]) -> list[Agent]:
    """Return the agents with these ids, in order, each once. Raises ValidationFailed for any that is not the user's."""
    unique = list(dict.fromkeys(agent_ids))
    if len(unique) > MAX_AGENTS:  # before querying thousands of them
        raise ValidationFailed({"agents": [f"A room can have at most {MAX_AGENTS} agents."]})
    try:
        return [access_agent(user, agent_id) for agent_id in unique]
    except NotFound as error:
        raise ValidationFailed({"agents": ["Every entry must be the id of one of your agents."]}) from error


def room_data(user: User, room_id: uuid.UUID) -> Any:
    return RoomShape(rooms_with_agents(user).get(pk=room_id)).data


def validated(user: User, serializer: RoomSerializer) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    fields = dict(serializer.validated_data)
    if "agents" in fields:
        fields["agents"] = own_agents(user, fields["agents"])
    return fields


AGENT_IDS = {
    "type": "array",
    "items": {"type": "string", "format": "uuid"},
    "description": "Ids of the user's own agents, in order.",
}


class RoomPages(SizedPages):
    """Each room has the prompts of its agents."""

    def sizes(self, rows: Sequence[Room]) -> Iterable[int]:
        chars = prompt_chars([room.pk for room in rows])
        return (chars.get(room.pk, 0) for room in rows)


@extend_schema_view(get=operation("List my rooms", answers=RoomShape(many=True)))
class RoomsView(ApiView, ListAPIView[Room]):
    serializer_class = RoomShape
    pagination_class = RoomPages
    write_scope = ApiToken.Scope.MANAGE

    def get_queryset(self) -> Any:
        return rooms_with_agents(signed_in(self.request))

    @operation("Create a room", request=RoomSerializer, answers={201: RoomShape})
    def post(self, request: Request) -> Response:
        room = room_create(
            owner=signed_in(request), **validated(signed_in(request), RoomSerializer(data=request.data))
        )
        return Response(room_data(signed_in(request), room.pk), status=201)


class RoomView(ApiView):
    write_scope = ApiToken.Scope.MANAGE

    @operation("Read a room", answers=RoomShape)
    def get(self, request: Request, room_id: str) -> Response:
        return Response(room_data(signed_in(request), access_room(signed_in(request), room_id).pk))

    @operation("Change a room, from its next turn on", request=RoomSerializer, answers=RoomShape)
    def patch(self, request: Request, room_id: str) -> Response:
        room = access_room(signed_in(request), room_id)
        room_update(
            room=room, **validated(signed_in(request), RoomSerializer(room, data=request.data, partial=True))
        )
        return Response(room_data(signed_in(request), room.pk))

    @operation("Delete a room with its sessions", answers={204: None})
    def delete(self, request: Request, room_id: str) -> Response:
        room_delete(room=access_room(signed_in(request), room_id))
        return Response(status=204)


class RoomAgentsView(ApiView):
    write_scope = ApiToken.Scope.MANAGE

    @operation("Set a room's agents, in order", request={"application/json": AGENT_IDS}, answers=RoomShape)
    def put(self, request: Request, room_id: str) -> Response:
        room = access_room(signed_in(request), room_id)
        data = AgentIdsSerializer(data={"agents": request.data if isinstance(request.data, list) else {}})
        data.is_valid(raise_exception=True)
        room_set_agents(room=room, agents=own_agents(signed_in(request), data.validated_data["agents"]))
        return Response(room_data(signed_in(request), room.pk))
