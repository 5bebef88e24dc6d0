"""Response shapes of turns, messages and summaries, for the API schema."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from orchestration.engine.contracts import FALLBACK_REASONS
from orchestration.engine.purposes import PURPOSES, SHOWN
from sessions.models import Call, Message, Turn
from sessions.models.modes import turn_modes
from web.api.shapes import count, flag, identifier, moment, one_of, text, usd

WHY_FALLBACK = (
    "Why the manager's or summarizer's answer could not be used: `no_answer`; `length`, cut off at the output limit; "
    "`not_json`; `refused_schema`, JSON that does not fit what was asked for. Null: it was used."
)


class MessageShape(serializers.Serializer[Any]):
    id = identifier("The message. An answer's is the `step_id` of the step that made it.")
    turn_id = identifier("The turn it belongs to.")
    seq = count("Its place in the session, from 1.", min_value=1)
    role = one_of("Who speaks.", *Message.Role.values)
    agent_key = text("The agent's key as it was; null for the user and the manager.", allow_null=True)
    agent_name = text("The agent's name as it was; null for the user and the manager.", allow_null=True)
    purpose = one_of("What the answer is for; null for the user's text.", *SHOWN, allow_null=True)
    round = count("The round of the turn, from 1; null for the user's text.", allow_null=True)
    model = text("The alias of the model that answered; null for the user's text.", allow_null=True)
    text = text("Markdown.", allow_blank=True)
    status = one_of("`failed` and `cancelled` answers have what was said before.", *Message.Status.values)
    created_at = moment("When it was stored.")


class TokensShape(serializers.Serializer[Any]):
    input_tokens = count(
        "Tokens of input, the provider's total: cached ones and cache writes are part of it."
    )
    cached_tokens = count("Tokens of input that were read from the provider's cache.")
    cache_write_tokens = count("Tokens of input that were written to the provider's cache.")
    output_tokens = count("Tokens of output, reasoning among them.")
    reasoning_tokens = count("Tokens of output that were reasoning.")
    estimated = flag("The provider gave no figure: counted by us.")


class FailureShape(serializers.Serializer[Any]):
    code = text("An error code.")
    message = text("What went wrong, for people.")
    retryable = flag("The same may succeed later.")


class StepShape(serializers.Serializer[Any]):
    step_id = identifier("The step; its attempts share it.")
    purpose = one_of("What the call is for.", *PURPOSES)
    agent_key = text("Who was asked; null: the manager or the summarizer.", allow_null=True)
    agent_name = text("The agent's name as it was.", allow_null=True)
    model = text("The alias of the model.")
    round = count("The round that it answers in; of an evaluation, the one that it decides.")
    attempt = count("From 1.", min_value=1)
    status = one_of("How the call stands.", *Call.Status.values)
    error = FailureShape(allow_null=True, help_text="Why it failed.")
    usage = TokensShape(allow_null=True, help_text="Null until the call is over.")
    cost_usd = usd("What it cost; null: unpriced, or the turn is not committed yet.", allow_null=True)
    latency_ms = count("Milliseconds from the request to the end.", allow_null=True)
    first_token_ms = count("Milliseconds from the request to the first token.", allow_null=True)
    cut_for = text(
        "Whose part the answer began to speak, where it was cut; null: it was not.", allow_null=True
    )
    fallback_reason = one_of(WHY_FALLBACK, *FALLBACK_REASONS, allow_null=True)
    context = serializers.DictField(  # type: ignore[assignment]  # a field, which the metaclass takes away
        help_text="Tokens and messages: `window`, `input_budget`, `estimate_before`, `estimate_after`, `summarized`, "
        "`pruned`; the most that the call can use, `input_bound`, `output_bound`; the provider's `finish_reason`; "
        "`input_cut` (1: the server read far less than was sent); `overflow_input` (tokens of a refused input); "
        "and `opened_in_thought` (1: the answer began with a thought that had only a closing tag)."
    )


class SelectionShape(serializers.Serializer[Any]):
    agent_key = text("Who is asked.")
    instruction = text("With which instruction; may be empty.", allow_blank=True)


class RoutingShape(serializers.Serializer[Any]):
    round = count("The round that this decides, from 1.", min_value=1)
    action = one_of("Ask agents, or conclude.", "route", "synthesize")
    selections = SelectionShape(many=True, help_text="Whom the manager asks.")
    reason = text("Why, in the manager's words.", allow_blank=True)
    used_fallback = flag("The manager's answer was unusable; this is the fallback.")
    fallback_reason = one_of(WHY_FALLBACK, *FALLBACK_REASONS, allow_null=True)


class TurnUsageShape(serializers.Serializer[Any]):
    calls = count("Calls of models, every attempt counted.")
    input_tokens = count("Tokens of input.")
    cached_tokens = count("Tokens of input that were read from a cache.")
    output_tokens = count("Tokens of output.")
    cost_usd = usd("The sum of the priced calls; null: none is priced.", allow_null=True)
    estimated = flag("Some call's tokens are counted by us.")
    unpriced_calls = count("Calls without a price.")
    by_purpose = serializers.DictField(child=serializers.CharField(), help_text="Purpose -> USD.")


class TurnShape(serializers.Serializer[Any]):
    id = identifier("The turn.")
    session_id = identifier("The session it belongs to.")
    index = count("Its place in the session, from 1; null: it only summarizes.", allow_null=True)
    mode = serializers.ChoiceField(
        choices=turn_modes(), help_text="How the council answers; `direct`: an agent alone."
    )
    status = one_of(
        "`partial`: somebody answered, somebody failed; `failed`: nobody answered.", *Turn.Status.values
    )
    stop_reason = one_of(
        "Why it stopped; null in the other modes, unless budget, cancelled or failed.",
        *("manager_done", "max_rounds", "max_calls", "repeat", "budget", "cancelled", "failed"),
        allow_null=True,
    )
    replaces = identifier("The turn that this is a new version of.", allow_null=True)
    message = text("The user's text.", allow_blank=True)
    unknown_tags = serializers.ListField(
        child=serializers.CharField(), help_text="Tags that name nobody here."
    )
    messages = MessageShape(many=True, help_text="The answers, in `seq` order.")
    routing = RoutingShape(many=True, help_text="What the manager decided.")
    steps = StepShape(many=True, help_text="Every call of a model, each attempt, in the order they began.")
    usage = TurnUsageShape(help_text="What the whole turn used, as it is billed.")
    summary_triggered = flag("Older messages are summarized in this turn.")
    error = FailureShape(allow_null=True, help_text="The first failure.")
    created_at = moment("When it was accepted.")
    completed_at = moment("When it was committed; null while it runs.", allow_null=True)


class SummaryItemShape(serializers.Serializer[Any]):
    text = text("What is worth remembering.")
    message_seq = count("The `seq` of the message it came from.", allow_null=True)
    pinned = flag("Never compressed away.")


class SummaryShape(serializers.Serializer[Any]):
    id = identifier("The summary.")
    session_id = identifier("The session.")
    turn_id = identifier("The turn that made it; null in a fork.", allow_null=True)
    from_seq = count("The first message that it covers.")
    through_seq = count("The last message that it covers.")
    text = text("What was said.", allow_blank=True)
    key_facts = SummaryItemShape(many=True, help_text="Facts.")
    decisions = SummaryItemShape(many=True, help_text="Decisions, with who decided.")
    open_questions = SummaryItemShape(many=True, help_text="Questions without an answer.")
    action_items = SummaryItemShape(many=True, help_text="What is to be done.")
    used_fallback = flag("The summarizer's answer was of no use: this is the beginning of what was said.")
    created_at = moment("When it was made.")
    updated_at = moment("When it was last changed.")


class EstimateShape(serializers.Serializer[Any]):
    calls = count("Calls of models that the turn typically makes.")
    low_usd = usd("The shortest way through; null: a model is unpriced.", allow_null=True)
    typical_usd = usd("What such turns mostly cost; null: a model is unpriced.", allow_null=True)
    high_usd = usd("The most it can cost; null: a model is unpriced.", allow_null=True)
    fits_budget = flag("Every hard budget has room for its first call.")


class PriceShape(serializers.Serializer[Any]):
    input_usd_per_mtok = usd("Of a million tokens of fresh input.")
    cache_read_usd_per_mtok = usd("Of a million tokens read from the cache.")
    cache_write_5m_usd_per_mtok = usd("Of a million tokens written to the cache for 5 minutes.")
    cache_write_1h_usd_per_mtok = usd("Of a million tokens written to the cache for 1 hour.")
    output_usd_per_mtok = usd("Of a million tokens of output.")


class ModelShape(serializers.Serializer[Any]):
    alias = text("What agents name it by.")
    provider = text("Who runs it.")
    model_id = text("The provider's own name of it.")
    context_window = count("Tokens, input and output together.")
    max_output_tokens = count("Tokens of an answer, at most.")
    json_schema = flag("Takes a JSON schema for its answer.")
    temperature = flag("Takes a temperature.")
    is_default = flag("Agents that name no model use it.")
    price = PriceShape(allow_null=True, help_text="Null: unpriced.")
