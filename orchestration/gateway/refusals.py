"""The one reader of refusals: what a server's error means, whether trying again helps, and a sentence for the user.

The sentence never has the server's own text, which may quote keys or the conversation.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.engine.specs import IMAGES, ModelSpec
from orchestration.gateway.error_bodies import ErrorFacts, facts_of
from orchestration.gateway.image_refusals import is_about_one_image
from orchestration.gateway.overflows import Overflow, overflow_of
from orchestration.gateway.quotations import without_quotations
from orchestration.gateway.request_fields import FIELDS, LIKELIEST, UNNAMED, field_named, is_about_value

STATUS_OF_CODE: Mapping[str, int] = {
    # OpenAI, "Error codes"; Anthropic, "Errors". Compatible servers pass these on.
    "invalid_request_error": 400,
    "unsupported_value": 400,
    "unsupported_parameter": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "billing_hard_limit_reached": 402,
    "permission_error": 403,
    "unsupported_country_region_territory": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "requests": 429,
    "tokens": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # Azure, "Azure OpenAI REST API"
    "deploymentnotfound": 404,
    # Google, "google.rpc.Code"
    "api_key_invalid": 401,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "invalid_argument": 400,
    "unavailable": 503,
    "internal": 500,
    # Groq, "API error codes": the model's answer did not fit the schema, which another try may mend.
    "json_validate_failed": 500,
    # Kimi, "Error codes"
    "invalid_authentication_error": 401,
    "incorrect_api_key_error": 401,
    "exceeded_current_quota_error": 402,
    "resource_not_found_error": 404,
    "rate_limit_reached_error": 429,
    "engine_overloaded_error": 503,
    # LiteLLM, "Exception mapping"
    "budget_exceeded": 402,
    "notfounderror": 404,
    "ratelimiterror": 429,
    "throttling_error": 429,
    # vLLM, "serving": the names of Python's HTTP statuses
    "badrequesterror": 400,
    "internalservererror": 500,
    "service_unavailable": 503,
    # Alibaba Model Studio, "Error codes"; Zhipu, "Error codes"
    "arrearage": 402,
    "1113": 402,
    "1211": 404,
    "1302": 429,
    "1305": 429,
    # MiniMax, "Error codes"
    "base_resp:1000": 500,
    "base_resp:1001": 504,
    "base_resp:1002": 429,
    "base_resp:1004": 401,
    "base_resp:1008": 402,
    "base_resp:1013": 500,
    "base_resp:1024": 500,
    "base_resp:1033": 500,
    "base_resp:2013": 400,
    "base_resp:2049": 401,
    "base_resp:2056": 429,
}
FILTER_CODES = frozenset(
    {
        *(
            "content_filter",
            "content_filter_error",
            "content_policy_violation",
            "responsibleaipolicyviolation",
        ),
        *("contentpolicyviolationerror", "invalid_prompt", "data_inspection_failed", "datainspectionfailed"),
        *("prompt_blocked", "prohibited_content", "safety", "1301", "base_resp:1026", "base_resp:1027"),
    }
)
FILTER_WORDS = re.compile(
    r"content[ _](?:management|filter|policy)|content exists risk|considered high risk|prohibited[ _]content"
    r"|violat\w+ .{0,80}(?:policy|policies|guidelines?|terms)"
    r"|(?:was|been|input|prompt|content) flagged|flagged (?:by|as|for)",
    re.IGNORECASE,
)
CREDIT_WORDS = re.compile(
    r"insufficient[ _](?:account )?(?:balance|credits?|funds|quota)|credit balance is too low|out of credits?"
    r"|requires more credits|used all available credits|spending limit|payment required",
    re.IGNORECASE,
)
KEY_WORDS = re.compile(
    r"(?:invalid|incorrect|missing|no|expired|revoked|wrong).{0,20}\b(?:api[ _-]?key|token|credentials?)\b"
    r"|api[ _-]?key.{0,20}(?:not valid|invalid|missing|expired)|unauthorized|not authenticated",
    re.IGNORECASE,
)
MODEL_WORDS = re.compile(
    r"\bmodel\b.{0,120}?(?:not found|not exist|not available|no longer available|decommissioned)"
    r"|\bmodel\b.{0,120}?not supported\b(?! with| for| on)"
    r"|(?:unknown|invalid|unsupported) model|not a valid model|no endpoints found for|no models? (?:is |are )?loaded"
    r"|try pulling it",
    re.IGNORECASE | re.DOTALL,
)

SENTENCES = {
    400: "rejected the request (HTTP {status}); the server's log has the reason",
    401: "rejected the API key: check {key}",
    402: "reports that the account has no credit: check {key}",
    403: "denied access: check {key}, its permissions, and {model}",
    404: "reports that this does not exist: check {model} and {address}",
    408: "timed out waiting for the request",
    429: "reports that the rate limit is reached: wait, or check the account's quota",
    500: "is unavailable (HTTP {status})",
}
UNSETTLED = (400, 403, 404, 422)
"""Statuses that servers also use for a wrong key, an empty account or a wrong model."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server's error means."""

    code: str
    """One of our error codes."""
    message: str
    retryable: bool
    """The same request may succeed later."""
    field: str = ""
    """A key of FIELDS: the field of the request that the server does not accept."""
    reason: str = ""
    """Why `field` is refused, as status and code, for the catalogue."""
    is_guess: bool = False
    """The server named no field: `field` is the likeliest one."""
    overflow: Overflow | None = None


def refusal_of(
    body: Any,
    status: int | None,
    model: ModelSpec,
    *,
    sent: Collection[str] = (),
    statuses: Mapping[str, int] | None = None,
    quoted: Collection[str] = (),
) -> Refusal:
    """Return what an error means.

    `body`: its JSON or text. `status`: the HTTP status, None for an error in a successful response. `sent`: the keys
    of FIELDS that the request had. `statuses`: a wire format's own codes. `quoted`: the texts of the request.
    """
    facts = facts_of(body, quoted)
    meant = status_of(facts, status, {**STATUS_OF_CODE, **(statuses or {})})
    status = meant if status is None else status
    text = facts.text
    if is_filter(facts, meant, text):
        return Refusal("content_filtered", "The provider's content filter refused this message.", False)
    if (overflow := overflow_of(facts)) is not None:
        return _too_long(overflow, model)
    if meant == 413:
        return _too_long(Overflow(), model)
    # Without the conversation, which some servers quote: what a user writes must not teach what a model takes.
    words = without_quotations(text, quoted) if quoted else text
    if meant in UNSETTLED and UNNAMED.search(words):
        return _unnamed(status, model, sent)
    if meant in (400, 404, 405, 415, 422, 500, 501) and (name := field_named(facts.paths, words, sent)):
        if is_about_value(name, f"{words} {' '.join(facts.codes)}", sent):
            # One user's own value: the field stays in everybody's requests.
            sentence = (
                f"The provider {model.provider} does not accept this value of {name} for {model.model_id}."
            )
            return Refusal("provider_error", f"{sentence} Set another.", False)
        code = next((code for code in facts.codes if re.fullmatch(r"[a-z_]{4,40}", code)), "")
        sentence = f"The provider {model.provider} does not accept {FIELDS[name].label} for {model.model_id}."
        return Refusal("provider_error", sentence, False, name, f"HTTP {status} {code}".strip())
    if meant in (400, 415, 422) and IMAGES in sent and is_about_one_image(words):
        sentence = (
            f"The provider {model.provider} does not accept an image of this conversation: it may be too large, "
            "or of a type that it does not take. Send a smaller one."
        )
        return Refusal("provider_error", sentence, False)
    return _by_status(_settled(meant, text), status, model)


def status_of(facts: ErrorFacts, status: int | None, statuses: Mapping[str, int]) -> int:
    """Return the status that an error means: a known code says more than a bare 4xx. An error without any is 500."""
    meant = [statuses[code] for code in facts.codes if code in statuses]
    particular = [each for each in meant if each not in (400, 500)]
    if status is None:
        known = [*particular[:1], *facts.statuses, *meant]
        words = (FILTER_WORDS, CREDIT_WORDS, KEY_WORDS, MODEL_WORDS)
        return known[0] if known else 400 if any(each.search(facts.text) for each in words) else 500
    if particular and status in (*UNSETTLED, 429, 500):
        return particular[0]
    return 500 if 500 in meant and status == 400 else status


def is_filter(facts: ErrorFacts, status: int, text: str) -> bool:
    if FILTER_CODES & set(facts.codes):
        return True
    return status in (400, 403, 422, 451) and FILTER_WORDS.search(text) is not None


def _settled(status: int, text: str) -> int:
    """Return the status that the message means where the server's own is ambiguous."""
    if status not in UNSETTLED:
        return 402 if status == 429 and CREDIT_WORDS.search(text) else status
    for words, meant in ((CREDIT_WORDS, 402), (KEY_WORDS, 401), (MODEL_WORDS, 404)):
        if words.search(text):
            return meant
    return status


def _too_long(overflow: Overflow, model: ModelSpec) -> Refusal:
    if overflow.of_output:
        most = f"at most {overflow.limit:,} tokens" if overflow.limit else "fewer tokens"
        sentence = f"The model {model.alias} can answer with {most}: lower its max output tokens."
        return Refusal("provider_error", sentence, False, overflow=overflow)
    figures = ""
    if overflow.requested and overflow.limit:
        figures = f": it has {overflow.requested:,} tokens, and the model takes {overflow.limit:,}"
    elif overflow.limit:
        figures = f": the model takes {overflow.limit:,} tokens"
    sentence = f"The request is too long for the model {model.alias}{figures}."
    return Refusal("context_overflow", sentence, False, overflow=overflow)


def _unnamed(status: int, model: ModelSpec, sent: Collection[str]) -> Refusal:
    """Return the refusal of a request of which some field is refused: try without the likeliest one first."""
    name = next((each for each in LIKELIEST if each in sent), "")
    who = f"The provider {model.provider} has no server for {model.model_id}"
    cure = "" if name else ": check the routing settings of the account"
    sentence = f"{who} that accepts all parameters of the request{cure}."
    return Refusal("provider_error", sentence, False, name, f"HTTP {status}", is_guess=bool(name))


def _by_status(meant: int, status: int, model: ModelSpec) -> Refusal:
    """Return the refusal that a status means; `status` is the one that the server sent."""
    if meant == 408:
        code, retryable = "provider_timeout", True
    elif meant == 429 or meant >= 500:
        code, retryable = "provider_unavailable", True
    else:
        code, retryable = "provider_error", False
    nearest = meant if meant in SENTENCES else 500 if meant >= 500 else 400
    sentence = SENTENCES[nearest].format(
        key=f"the key in {model.key_env}" if model.key_env else "whether the provider wants a key variable",
        model=f"the model id {model.model_id}",
        address=address_of(model),
        status=status,
    )
    return Refusal(code, f"The provider {model.provider} {sentence}.", retryable)


def address_of(model: ModelSpec) -> str:
    """Return where a model's address is set."""
    in_variable = model.base_url_env and not model.base_url
    return f"the base URL in {model.base_url_env}" if in_variable else "the provider's base URL"
