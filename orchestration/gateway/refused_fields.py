"""Fields that servers have refused recently, until the catalogue has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from orchestration.engine.ports import Completed, Failed, ModelEvent
from orchestration.engine.specs import ModelRequest, ModelSpec

KEPT_S = 60.0
"""How long a refusal counts before the catalogue has it. Turns that were accepted meanwhile have the older catalogue;
a field that an administrator allows again must not stay left out for long."""

OnUnsupported = Callable[[ModelSpec, str, str], None]
"""Receives the model, a key of FIELDS, and the reason. Must not block."""


@dataclass(slots=True)
class Refused:
    """A refused field."""

    reason: str
    until_s: float
    is_guess: bool = False
    """The server has named no field."""
    proven: bool = False
    """The model has answered a request from which it was left out."""


class RefusedFields:
    """Leaves refused fields out of further requests, and reports those without which a model then answers."""

    def __init__(self, on_unsupported: OnUnsupported | None) -> None:
        self._on_unsupported = on_unsupported
        self._models: dict[str, dict[str, Refused]] = {}

    def without(self, request: ModelRequest) -> ModelRequest:
        """Return the request without the fields that its model's server has refused."""
        model = request.model
        recent = self._recent(model)
        if not recent:
            return request
        unsupported = sorted({*model.unsupported, *recent})
        return replace(request, model=replace(model, unsupported=unsupported))

    def observe(self, request: ModelRequest, event: ModelEvent, left_out: Collection[str]) -> None:
        """Record what an event of this request's answer says about fields.

        `left_out`: the fields that the request lacks only because of `without`. An answer to a request that would not
        have had a field proves nothing about it; and of several guesses any one may have been wrong.
        """
        model = request.model
        if isinstance(event, Failed) and event.without:
            until_s = time.monotonic() + KEPT_S
            refused = Refused(event.reason, until_s, event.is_guess)
            self._models.setdefault(model.id, {})[event.without] = refused
        elif isinstance(event, Completed):
            recent = {name: each for name, each in self._recent(model).items() if name in left_out}
            guesses = [name for name, each in recent.items() if each.is_guess]
            for name, refused in recent.items():
                if refused.proven or (refused.is_guess and len(guesses) > 1):
                    continue
                refused.proven = True
                if self._on_unsupported is not None:
                    self._on_unsupported(model, name, refused.reason)

    def _recent(self, model: ModelSpec) -> dict[str, Refused]:
        if model.id not in self._models:
            return {}
        now_s = time.monotonic()
        recent = {name: each for name, each in self._models[model.id].items() if each.until_s > now_s}
        if recent:
            self._models[model.id] = recent
        else:
            del self._models[model.id]
        return recent
