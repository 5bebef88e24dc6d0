"""API: agents."""

from __future__ import annotations

import math
from typing import Any

from drf_spectacular.utils import extend_schema_view
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.api.base import ApiView
from accounts.models import ApiToken
from sessions.access import access_agent
from sessions.api.fields import EffortField, ModelAliasField
from sessions.models import Agent
from sessions.services.agents import agent_create, agent_delete, agent_update
from web.api.schema import operation


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """Fields and types of an agent; the service validates the key."""

    model = ModelAliasField(help_text="A model's alias; null: the instance's default.")
    key = serializers.CharField(
        max_length=64, help_text="Its handle, for mentions: 1 to 64 of a-z, 0-9, _ and -."
    )
    role_prompt = serializers.CharField(
        max_length=20_000,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Its instructions (system prompt).",
    )

    reasoning_effort = EffortField(
        help_text="Reasoning effort; the closest that its model supports is sent. Null: the model's default."
    )

    def validate_reasoning_effort(self, effort: str | None) -> str:
        return effort or ""

    def validate_temperature(self, temperature: float | None) -> float | None:
        if temperature is not None and math.isnan(temperature):  # the string "nan" would pass both bounds
            raise serializers.ValidationError("A valid number is required.")
        return temperature

    class Meta:
        model = Agent
        fields = (
            "id",
            "key",
            "name",
            "model",
            "role_prompt",
            "temperature",
            "max_output_tokens",
            "reasoning_effort",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("id", "created_at", "updated_at")
        extra_kwargs = {
            "id": {"help_text": "The agent."},
            "name": {"help_text": "Display name."},
            "temperature": {"help_text": "0 to 2; null: the model's default."},
            "max_output_tokens": {"help_text": "Maximum tokens of an answer; null: the model's limit."},
            "created_at": {"help_text": "RFC 3339, UTC."},
            "updated_at": {"help_text": "RFC 3339, UTC."},
        }


@extend_schema_view(get=operation("List my agents"))
class AgentsView(ApiView, ListAPIView[Agent]):
    serializer_class = AgentSerializer
    write_scope = ApiToken.Scope.MANAGE

    def get_queryset(self) -> Any:
        return Agent.objects.of(signed_in(self.request)).select_related("model")

    @operation(
        "Create an agent", request=AgentSerializer, answers={201: AgentSerializer}, errors=["agent_key_taken"]
    )
    def post(self, request: Request) -> Response:
        data = AgentSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        agent = agent_create(owner=signed_in(request), **data.validated_data)
        return Response(AgentSerializer(agent).data, status=201)


class AgentView(ApiView):
    write_scope = ApiToken.Scope.MANAGE

    @operation("Read an agent", answers=AgentSerializer)
    def get(self, request: Request, agent_id: str) -> Response:
        return Response(AgentSerializer(access_agent(signed_in(request), agent_id)).data)

    @operation(
        "Change an agent", request=AgentSerializer, answers=AgentSerializer, errors=["agent_key_taken"]
    )
    def patch(self, request: Request, agent_id: str) -> Response:
        agent = access_agent(signed_in(request), agent_id)
        data = AgentSerializer(agent, data=request.data, partial=True)
        data.is_valid(raise_exception=True)
        return Response(AgentSerializer(agent_update(agent=agent, **data.validated_data)).data)

    @operation("Delete an agent; its handle can be reused", answers={204: None})
    def delete(self, request: Request, agent_id: str) -> Response:
        agent_delete(agent=access_agent(signed_in(request), agent_id))
        return Response(status=204)
