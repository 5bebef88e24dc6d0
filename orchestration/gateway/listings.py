"""A server's list of models: their ids, and what it says about each.

Shapes: OpenAI and Anthropic, "List models", which agree in the ids; of the rest OpenRouter, "Models" (also
`supported_parameters`, `reasoning`, `architecture`), Anthropic (`capabilities`), vLLM (`max_model_len`), Mistral,
Groq, Together, Kimi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from orchestration.engine.efforts import EFFORTS
from orchestration.gateway.sse import clean

MAX_MODEL_ID_CHARS = 200
MAX_TOKENS = 100_000_000

WINDOWS = ("context_length", "max_model_len", "max_context_length", "context_window", "max_input_tokens")
OUTPUTS = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """What a list says about a model; None: nothing."""

    context_window: int | None = None
    max_output_tokens: int | None = None
    json_schema: bool | None = None
    temperature: bool | None = None
    reasoning_efforts: tuple[str, ...] | None = None
    """From least to most."""
    vision: bool | None = None


class NoList(Exception):
    """The server answered, but not with a list of models. `is_page`: with a web page."""

    def __init__(self, *, is_page: bool) -> None:
        super().__init__("no list of models")
        self.is_page = is_page


def models_listed(response: httpx2.Response) -> dict[str, ListedModel]:
    """Return the models of a list by id. Raises NoList."""
    try:
        listed = {clean(str(row["id"])): listed_model(row) for row in response.json()["data"]}
    except (ValueError, TypeError, KeyError) as error:
        raise NoList(is_page=response.text.lstrip()[:1] == "<") from error
    return {model_id: model for model_id, model in listed.items() if 0 < len(model_id) <= MAX_MODEL_ID_CHARS}


def listed_model(row: Mapping[str, Any]) -> ListedModel:
    """Return what a row of a list says about its model."""
    top, capabilities = _object(row, "top_provider"), _object(row, "capabilities")
    parameters = row.get("supported_parameters")
    if not isinstance(parameters, list):
        parameters = None
    # A broker's list has the largest window of any server, and that of the server which is asked first.
    windows = [_tokens(place, name) for place in (top, row) for name in WINDOWS]
    outputs = [_tokens(place, name) for place in (top, row) for name in OUTPUTS]
    json_schema = _is_supported(capabilities, "structured_outputs")
    return ListedModel(
        next((tokens for tokens in windows if tokens), None),
        next((tokens for tokens in outputs if tokens), None),
        json_schema if parameters is None else "structured_outputs" in parameters,
        None if parameters is None else "temperature" in parameters,
        _efforts(_object(row, "reasoning"), _object(capabilities, "effort")),
        _takes_images(_object(row, "architecture"), capabilities),
    )


def _takes_images(architecture: Mapping[str, Any], capabilities: Mapping[str, Any]) -> bool | None:
    """Return whether a model takes images, in the words of OpenRouter, Mistral (`vision`) or Anthropic."""
    modalities = architecture.get("input_modalities")
    if isinstance(modalities, list):
        return "image" in modalities
    vision = capabilities.get("vision")
    return vision if isinstance(vision, bool) else _is_supported(capabilities, "image_input")


def _efforts(reasoning: Mapping[str, Any], effort: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the efforts of a row, of OpenRouter (`reasoning`) or Anthropic (`effort`)."""
    offered = reasoning.get("supported_efforts")
    if isinstance(offered, list):
        known = {each for each in offered if isinstance(each, str)}
        if reasoning.get("mandatory") is False:
            known.add("none")
    else:
        known = {name for name in EFFORTS if _is_supported(effort, name)}
    return tuple(each for each in EFFORTS if each in known) or None


def _object(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def _tokens(row: Mapping[str, Any], name: str) -> int | None:
    value = row.get(name)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_TOKENS
    return value if is_count else None


def _is_supported(capabilities: Mapping[str, Any], name: str) -> bool | None:
    supported = _object(capabilities, name).get("supported")
    return supported if isinstance(supported, bool) else None
