"""The kinds of provider: one row for each supported wire format, and one for the demo.

A new kind is a row here and the class that the row names. Add its SDK also where no code can read this table:
`requirements.in` and the contract on SDKs in `pyproject.toml`. If the catalogue should have a provider of this kind
from the start, add a migration, lines in `docs/settings.md` and a word in `bin/lib/hermetic.py`. `test_kinds.py`
compares all of them.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestration.gateway.streaming import ListingWire


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of provider."""

    key: str
    """Its name in the catalogue and in snapshots, and the name of its initial provider."""
    label: str
    wire: str = ""
    """`module:class` of the client; empty for the demo. It imports its SDK only when a client is created, since the
    import takes a second and 40 MB."""
    sdk: str = ""
    """The package that the client imports."""
    base_url: str = ""
    """The SDK's default address. Passed explicitly, because a client without one reads the environment."""
    variables: str = ""
    """The prefix of the SDK's environment variables: `<variables>_API_KEY` has the key of the catalogue's initial
    provider of this kind. Empty: there is none."""
    thinks_in_text: bool = False
    """Servers of this kind other than `base_url` may leave a model's thoughts in its text."""
    secrets: str = ""
    """A pattern of the keys of its servers, for `keys.redact`."""

    def wire_class(self) -> type[ListingWire]:
        wire: type[ListingWire] = pkgutil.resolve_name(self.wire)
        return wire


DEMO = Kind("demo", "Built-in demo")

KINDS = {
    kind.key: kind
    for kind in (
        Kind(
            "openai",
            "OpenAI chat completions (and compatible servers)",
            wire="orchestration.gateway.openai_chat:OpenAIChat",
            sdk="openai",
            base_url="https://api.openai.com/v1",
            variables="OPENAI",
            thinks_in_text=True,
            secrets=r"(?:sk|pk|rk|gsk|xai)[-_][a-z0-9_*.-]{6,}",
        ),
        Kind(
            "anthropic",
            "Anthropic messages",
            wire="orchestration.gateway.anthropic_messages:AnthropicMessages",
            sdk="anthropic",
            base_url="https://api.anthropic.com",
            variables="ANTHROPIC",
            thinks_in_text=True,
            secrets=r"sk-ant-[a-z0-9_*.-]{6,}",
        ),
        DEMO,
    )
}
"""In the order of the search for a default model, and of the choices in forms."""
