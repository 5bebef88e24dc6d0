"""Whether the model that answered is the one that was asked for, by their ids."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from orchestration.engine.specs import ModelSpec
from orchestration.gateway.keys import base_url_of

OTHER_MODEL = "other_model"
"""Flag of an answer by a model of a different family than the requested one, whose price may differ."""

VERSION = re.compile(
    r"[-@._](?:\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{2}-\d{4}|\d{3,8}|latest|stable|preview|exp|experimental|beta|v\d+(?:[.:]\d+)*)\Z"
)
"""A date or version at the end of a model id, which providers add to the requested one."""
REGION = re.compile(r"\A(?:us|eu|apac|global|au|jp)\.")
DEPLOYMENT_HOSTS = re.compile(r"\.(?:openai|cognitiveservices|services\.ai)\.azure\.(?:com|us|cn)\Z")
"""Azure's hosts, where the model id is the name that somebody gave to a deployment."""


def is_requested_model(model: ModelSpec, served: str) -> bool:
    """Return whether the name in an answer is of the requested model.

    True for a deployment of Azure without `served_as`: its name says nothing about the model behind it.
    """
    if model.served_as:
        return is_same_model(model.served_as, served)
    if is_same_model(model.model_id, served):
        return True
    return DEPLOYMENT_HOSTS.search(urlsplit(base_url_of(model)).hostname or "") is not None


def is_same_model(asked: str, served: str) -> bool:
    """Return whether two ids are of the same model, apart from dates, versions, paths and variants like `:free`.

    True if the server names none. Brokers put a vendor before the name, Amazon a region.
    """
    if not served or not asked:
        return True
    one, other = _plain(asked), _plain(served)
    return one == other or not one or not other


def _plain(model_id: str) -> str:
    name = model_id.strip().lower().rsplit("/", 1)[-1].split(":", 1)[0]
    name = REGION.sub("", name).split(".", 1)[-1] if REGION.match(name) else name
    name = name.removesuffix(".gguf")
    while (shorter := VERSION.sub("", name)) != name:
        name = shorter
    return name.replace("_", "-").replace(".", "-")
