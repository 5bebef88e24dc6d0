"""The catalogue: the providers, and those of their models that agents may use."""

from __future__ import annotations

import os
import uuid
from typing import ClassVar
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from orchestration.engine.efforts import EFFORTS, LABELS
from orchestration.gateway.keys import KEY_NAME_RULE, is_key_name
from orchestration.gateway.kinds import DEMO, KINDS

alias_validator = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._:/-]*\Z", "Use letters, digits and . _ : / - only."
)
env_name_validator = RegexValidator(
    r"\A[A-Z_][A-Z0-9_]*\Z", "Use the name of an environment variable, such as OPENROUTER_BASE_URL."
)


def validate_base_url(value: str) -> None:
    """Accept any HTTP address, also single-label hosts such as `http://ollama:11434/v1`, unless it has a secret."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise ValidationError("Use an address such as http://localhost:11434/v1.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValidationError(
            "Use an address without credentials or parameters: a key belongs in its variable."
        )


def validate_key_name(value: str) -> None:
    if not is_key_name(value):
        raise ValidationError(KEY_NAME_RULE)


def kind_choices() -> list[tuple[str, str]]:
    """Return the kinds for forms. The field refers to this function, so that a new kind needs no migration."""
    return [(kind.key, kind.label) for kind in KINDS.values()]


def effort_choices() -> list[tuple[str, str]]:
    """Return the reasoning efforts for forms; a function, as for kinds."""
    return [*LABELS.items()]


def validate_efforts(value: object) -> None:
    if not isinstance(value, list) or any(effort not in EFFORTS for effort in value):
        raise ValidationError(f"Use a list of {', '.join(EFFORTS)}.")


class Provider(models.Model):
    """A server that runs models. Its key stays in the environment: only the variable's name is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64, unique=True, validators=[alias_validator])
    kind = models.CharField(max_length=16, choices=kind_choices)
    base_url = models.CharField(
        "base URL",
        max_length=500,
        blank=True,
        validators=[validate_base_url],
        help_text="Defaults to the provider's URL.",
    )
    base_url_env = models.CharField(
        "base URL variable",
        max_length=120,
        blank=True,
        validators=[env_name_validator],
        help_text="An environment variable that replaces the base URL if it is set.",
    )
    key_env = models.CharField(
        "key variable",
        max_length=120,
        blank=True,
        validators=[validate_key_name],
        help_text="The environment variable that holds the key, such as OPENROUTER_API_KEY: its name ends in "
        "_API_KEY. Leave empty if no key is needed.",
    )
    enabled = models.BooleanField(default=True)
    tested_at = models.DateTimeField(
        "last successful test",
        null=True,
        editable=False,
        help_text="When its list of models was last read. A provider without a key is no default before that, or "
        "before a model of it has answered.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_demo(self) -> bool:
        return self.kind == DEMO.key

    @property
    def has_key(self) -> bool:
        """Return whether the provider's key is in the environment (directly or as `NAME_FILE`), if it needs one.

        A variable that may not hold a key is not read.
        """
        if not self.key_env:
            return True
        given = os.environ.get(self.key_env) or os.environ.get(f"{self.key_env}_FILE")
        return self.key_name_allowed and bool(given)

    @property
    def key_name_allowed(self) -> bool:
        """Return whether a provider may read its key variable; rows older than the rule may name any."""
        return not self.key_env or is_key_name(self.key_env)

    @property
    def key_cure(self) -> str:
        """Return how to fix a missing key."""
        if self.key_name_allowed:
            return f"set {self.key_env}"
        return f"choose a key variable that ends in _API_KEY instead of {self.key_env}"


class LlmModelQuerySet(models.QuerySet["LlmModel"]):
    def enabled(self) -> LlmModelQuerySet:
        """Filter for enabled models of enabled providers. The key is checked separately."""
        return self.filter(enabled=True, provider__enabled=True).select_related("provider")


class LlmModel(models.Model):
    """A model under the alias that agents use: its provider, limits and abilities."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alias = models.CharField(
        max_length=120,
        unique=True,
        validators=[alias_validator],
        help_text="The name that users choose. Letters, digits and . _ : / - only.",
    )
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="llm_models")
    model_id = models.CharField(
        "model ID", max_length=200, help_text="The provider's name for the model, such as gpt-5-mini."
    )
    served_as = models.CharField(
        "model name in answers",
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="Only if answers name another model than the model ID, as Azure deployments and gateways do. Used to "
        "look up prices.",
    )
    context_window = models.PositiveIntegerField(
        validators=[MinValueValidator(1024)], help_text="Tokens per request, input and output together."
    )
    max_output_tokens = models.PositiveIntegerField(
        validators=[MinValueValidator(16)], help_text="Tokens per answer."
    )
    json_schema = models.BooleanField("structured output", default=True)
    temperature = models.BooleanField("temperature", default=True)
    vision = models.BooleanField(
        "image input",
        default=False,
        db_default=False,
        help_text="Other models get a line with the name of each image instead.",
    )
    prompt_caching = models.BooleanField(
        "prompt caching",
        default=True,
        db_default=True,
        help_text="Asks the provider to cache the beginning of prompts, which costs less when it repeats.",
    )
    reasoning_efforts = models.JSONField(
        "reasoning efforts",
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        validators=[validate_efforts],
        help_text="Efforts that the model accepts. If an agent asks for another one, the nearest is sent.",
    )
    reasoning_effort = models.CharField(
        "reasoning effort",
        max_length=16,
        blank=True,
        default="",
        db_default="",
        choices=effort_choices,
        help_text="Default for agents, managers and summaries. Leave empty to send none.",
    )
    first_token_timeout_s = models.PositiveIntegerField(
        "first-token timeout",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Seconds to wait for the first token. Defaults to PANTHEON_PROVIDER_FIRST_TOKEN_TIMEOUT_S.",
    )
    unsupported = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        editable=False,
        help_text="Request fields that the server refuses for this model: key of FIELDS -> `since`, `reason`.",
    )
    enabled = models.BooleanField(default=True)
    position = models.PositiveIntegerField(
        "sort order", default=100, help_text="The provider's lowest number is its default model."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LlmModelQuerySet.as_manager()

    class Meta:
        verbose_name = "model"
        ordering: ClassVar = ["provider__name", "position", "alias"]

    def __str__(self) -> str:
        return self.alias
