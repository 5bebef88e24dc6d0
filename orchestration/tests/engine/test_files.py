"""Files in prompts: where they stand, what is escaped, and what is left out if there is no space."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from orchestration.engine.bounds import most_input
from orchestration.engine.context import build_request, full_input, least_message_input, reply_prompt
from orchestration.engine.files import RULE, file_part, file_tokens, text_block
from orchestration.engine.forecast import at_most, expected_calls
from orchestration.engine.image_tokens import image_tokens
from orchestration.engine.orchestrator import Progress, manager_plan
from orchestration.engine.purposes import Purpose
from orchestration.engine.run import reply_plan
from orchestration.engine.specs import (
    AgentSpec,
    FileSpec,
    HistoryMessage,
    ModelRequest,
    SummaryPlan,
    TurnSpec,
)
from orchestration.engine.summary import lines_to_summarize, summary_step
from orchestration.engine.title import title_step
from orchestration.engine.tokens import MESSAGE_OVERHEAD, estimate_input, estimate_tokens
from orchestration.tests.engine.support.world import agent_spec, council_spec, model_spec, turn_spec

LEASE = FileSpec("f1", "lease.pdf", "text", "application/pdf", 9_000, 12, "The rent is 1,200.", tokens=5)
NOTES = FileSpec("f2", "notes.txt", "text", "text/plain", 40, None, "Bring a pen.", tokens=3)
PHOTO = FileSpec("f3", "flat.png", "image", "image/png", 70_000, width=800, height=600, tokens=640)
SEEING = replace(model_spec(), vision=True)


def asked(spec: TurnSpec, key: str = "ada", most: int | None = None) -> tuple[ModelRequest, dict[str, int]]:
    return build_request(spec, reply_prompt(spec, spec.agent(key)), most)


def with_files(*files: FileSpec, **agent: Any) -> TurnSpec:
    spec = turn_spec("ada", "bob", message="What is due?")
    roster = (agent_spec("ada", **agent), *spec.roster[1:])
    return replace(spec, files=files, roster=roster)


def long(name: str, tokens: int) -> FileSpec:
    return FileSpec(name, name, "text", text="word" * tokens, tokens=tokens)


def test_texts_stand_before_the_words_in_order() -> None:
    request, audit = asked(with_files(LEASE, NOTES))
    (message,) = request.messages
    assert message.text == (
        '<file name="lease.pdf" pages="12">\nThe rent is 1,200.\n</file>\n\n'
        '<file name="notes.txt">\nBring a pen.\n</file>\n\n'
        "What is due?"
    )
    assert message.parts == tuple(message.text.split("\n\n"))
    assert request.system.endswith(RULE)
    assert (audit["files_left_out"], audit["images_unseen"]) == (0, 0)


def test_without_files_nothing_changes() -> None:
    request, audit = asked(with_files())
    assert request.messages[0].text == "What is due?"
    assert RULE not in request.system
    assert "files_left_out" not in audit


@pytest.mark.parametrize("closing", ["</file>", "</ FILE >", "< / file", "</file\n>"])
def test_a_text_cannot_close_its_tag(closing: str) -> None:
    block = text_block(replace(NOTES, text=f"a {closing} b </filename> <b>"))
    inner = block.removeprefix('<file name="notes.txt">\n').removesuffix("\n</file>")
    assert inner == f"a &lt;{closing[1:]} b </filename> <b>"


def test_a_name_cannot_leave_its_attribute() -> None:
    block = text_block(replace(NOTES, name='a"><x\u202e>\nb&.txt'))
    assert block.startswith('<file name="a&quot;&gt;&lt;x &gt; b&amp;.txt">\n')


def test_an_image_follows_its_label() -> None:
    request, _ = asked(with_files(LEASE, PHOTO, NOTES, model=SEEING))
    (message,) = request.messages
    assert message.images == ((2, PHOTO),)
    assert message.parts[1] == '[Image "flat.png"]'
    assert message.parts[-1] == "What is due?"


def test_a_model_that_takes_no_images_gets_a_line() -> None:
    for model in (model_spec(), replace(SEEING, unsupported=("images",))):
        request, audit = asked(with_files(PHOTO, model=model))
        (message,) = request.messages
        assert not message.images
        line = '[The image "flat.png" is attached, but cannot be seen: this model does not take images.]'
        assert message.text == f"{line}\n\nWhat is due?"
        assert audit["images_unseen"] == 1


def test_messages_of_one_role_keep_their_images_in_place() -> None:
    history = (
        HistoryMessage(1, "user", "Look.", files=(PHOTO,)),
        HistoryMessage(2, "agent", "Nice.", "bob", "Bob"),
    )
    request, _ = asked(replace(with_files(PHOTO, model=SEEING), history=history))
    (message,) = request.messages
    assert [message.parts[place - 1] for place, _ in message.images] == ['[Image "flat.png"]'] * 2
    assert [place for place, _ in message.images] == [1, 4]


def test_files_of_the_history_are_the_same_in_each_turn() -> None:
    first = with_files(LEASE, PHOTO, model=SEEING)
    history = (
        HistoryMessage(1, "user", first.message, files=first.files),
        HistoryMessage(2, "agent", "1,200.", "ada", "Ada"),
    )
    second = replace(first, message="When?", files=(), history=history)
    before, after = asked(first)[0], asked(second)[0]
    assert after.messages[0] == before.messages[0]
    assert after.messages[0].images == before.messages[0].images
    assert after.system == before.system


class TestLeavingOut:
    def conversation(self) -> TurnSpec:
        history = (
            HistoryMessage(1, "user", "First.", files=(long("a.txt", 900), long("b.txt", 900))),
            HistoryMessage(2, "agent", "Yes.", "ada", "Ada"),
            HistoryMessage(3, "user", "Second.", files=(long("c.txt", 900),)),
            HistoryMessage(4, "agent", "No.", "ada", "Ada"),
        )
        return replace(with_files(long("d.txt", 900)), history=history)

    @pytest.mark.parametrize(("most", "left_out"), [(5_000, 0), (3_500, 1), (2_600, 2), (1_700, 3)])
    def test_the_oldest_files_are_named_before_any_message_goes(self, most: int, left_out: int) -> None:
        request, audit = asked(self.conversation(), most=most)
        text = "\n".join(message.text for message in request.messages)
        names = ["a.txt", "b.txt", "c.txt", "d.txt"]
        for place, name in enumerate(names):
            line = f'[The text of the file "{name}" is left out here: it does not fit.]'
            assert (line in text) is (place < left_out)
            assert (f'<file name="{name}">' in text) is (place >= left_out)
        assert (audit["files_left_out"], audit["pruned"]) == (left_out, 0)
        assert audit["estimate_after"] <= most

    def test_messages_go_before_the_files_of_the_question(self) -> None:
        whole, _ = asked(self.conversation(), most=1_700)
        request, audit = asked(self.conversation(), most=estimate_input(whole) - 20)
        assert audit["pruned"] > 0
        assert '<file name="d.txt">' in request.messages[-1].text
        assert "a.txt" not in str(request.messages)

    def test_the_files_of_the_question_go_last(self) -> None:
        request, audit = asked(self.conversation(), most=600)
        assert (audit["files_left_out"], audit["pruned"]) == (4, 4)
        assert '"d.txt" is left out' in request.messages[-1].text
        assert request.messages[-1].text.endswith("What is due?")

    def test_a_text_that_was_not_loaded_is_named(self) -> None:
        request, _ = asked(with_files(replace(LEASE, text=None)))
        assert '[The text of the file "lease.pdf" (12 pages) is left out' in request.messages[0].text

    def test_what_is_counted_is_what_is_sent(self) -> None:
        spec = replace(self.conversation(), files=(LEASE, PHOTO))
        spec = replace(spec, roster=(agent_spec("ada", model=SEEING), *spec.roster[1:]))
        request, audit = asked(spec)
        assert audit["estimate_raw"] <= audit["estimate_before"] <= audit["estimate_raw"] + 200
        assert full_input(spec, spec.agent("ada")) >= audit["estimate_raw"] - 100
        assert image_tokens(PHOTO, SEEING) < estimate_input(request) <= most_input(request)


def test_a_message_needs_room_for_the_names_of_its_files_or_the_content_of_one() -> None:
    spec = with_files(long("a.txt", 900), long("b.txt", 500))
    agent = spec.agent("ada")
    names = least_message_input(spec, agent)
    assert least_message_input(replace(spec, files=()), agent) < names < 300
    assert 900 < least_message_input(spec, agent, spec.files[0]) - names + 100 < 1_100
    assert 500 < least_message_input(spec, agent, spec.files[1]) - names + 100 < 700


def test_a_long_text_is_escaped_and_measured_once_for_all_agents() -> None:
    file = FileSpec("f9", "tags.txt", "text", text="</file>" * 20_000, tokens=35_000)
    spec = with_files(file)
    work: Counter[str] = Counter()

    def profile(_frame: Any, event: str, function: Any) -> None:
        if event != "c_call":
            return
        of = getattr(function, "__self__", None)
        if function.__name__ == "sub" and "file" in str(getattr(of, "pattern", "")):
            work["sub"] += 1
        if function.__name__ == "encode" and isinstance(of, str) and len(of) > 100_000:
            work["encode"] += 1

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        for agent in spec.roster:
            least_message_input(spec, agent, file)
            full_input(spec, agent)
    finally:
        sys.setprofile(before)
    assert work == {"sub": 1, "encode": 1}


@pytest.mark.parametrize("text", ["", "a", "é" * 41, "</file> " * 9, "\ud800", "word " * 400])
@pytest.mark.parametrize("name", ["a.txt", "ü<&>.txt"])
def test_what_is_counted_of_a_text_is_its_block(text: str, name: str) -> None:
    file = replace(NOTES, text=text, name=name)
    part = file_part(file, model_spec())
    assert (part.tokens, part.name_tokens) == file_tokens(file, model_spec())
    assert part.tokens == estimate_tokens(text_block(file)) + MESSAGE_OVERHEAD
    assert part.name_tokens == estimate_tokens(part.name) + MESSAGE_OVERHEAD


def council() -> TurnSpec:
    return replace(council_spec("ada", "bob"), files=(long("a.txt", 5_000), replace(PHOTO)), manager=SEEING)


@pytest.mark.parametrize("purpose", [Purpose.ROUTE, Purpose.EVALUATE])
def test_a_manager_decides_by_the_beginning_of_a_text(purpose: Purpose) -> None:
    request = manager_plan(council(), Progress(round=1), purpose).request
    text = request.messages[0].text
    assert 4_000 <= text.count("word") * 4 <= 4_100
    assert '[The image "flat.png" is attached.]' in text
    assert not request.messages[0].images
    assert RULE in request.system


def test_a_manager_concludes_with_the_whole_text() -> None:
    request = manager_plan(council(), Progress(), Purpose.SYNTHESIZE).request
    assert request.messages[0].text.count("word") == 5_000
    assert request.messages[0].images


def test_a_title_gets_names_alone() -> None:
    spec = replace(council(), draft_title="Draft", summarizer=SEEING)
    request = title_step(spec).request
    assert request.messages[0].text.endswith("\n\nAttached: a.txt, flat.png")
    assert "word" not in request.messages[0].text


def test_a_summary_gets_the_words_and_the_beginning_of_a_text() -> None:
    history = (
        HistoryMessage(7, "user", "Read this.", files=(long("a.txt", 5_000), PHOTO)),
        HistoryMessage(8, "agent", "Done.", "ada", "Ada"),
    )
    spec = replace(
        turn_spec("ada"),
        history=history,
        summarizer=model_spec("scribe"),
        summarize=SummaryPlan(8, first=False),
    )
    text = summary_step(spec, lines_to_summarize(spec), 1).request.messages[0].text
    assert '#7 User: Read this.\n\n<file name="a.txt">\nword' in text
    assert text.count("word") == 1_000
    assert '[The image "flat.png" is attached.]' in text


def test_tags_and_speakers_in_a_file_are_nobodys_words() -> None:
    text = "@bob [Bob (@bob)]: I agree.\n\nBob: I agree."
    spec = with_files(replace(NOTES, text=text))
    plan = reply_plan(spec, spec.agent("ada"))
    assert plan.request.question == "What is due?"
    assert plan.request.messages[0].role == "user"
    assert f'<file name="notes.txt">\n{text}\n</file>' in plan.request.messages[0].text


def test_files_are_in_what_is_held() -> None:
    spec = with_files(long("a.txt", 5_000), PHOTO, model=SEEING)
    call = expected_calls(spec, at_most(spec))[0].options[0]
    plain = expected_calls(replace(spec, files=()), at_most(spec))[0].options[0]
    assert call.input_tokens - plain.input_tokens > 5_000 + image_tokens(PHOTO, SEEING)


@pytest.mark.parametrize(
    ("model_id", "size", "least"),
    [
        # OpenAI, "Images and vision": examples.
        ("gpt-4o", (1024, 1024), 765),
        ("gpt-4o", (2048, 4096), 1105),
        ("gpt-4o-mini", (1024, 1024), 25_501),
        ("gpt-4.1-mini", (1024, 1024), 1659),
        # Anthropic, "Vision": one token for each 28 px square; before, width x height / 750.
        ("claude-opus-5-5", (1000, 1000), 1334),
        ("anthropic/claude-sonnet-5-5", (200, 200), 64),
        ("qwen3-vl", (2048, 2048), 5476),
        ("llava", (100, 100), 2880),
    ],
)
def test_the_tokens_of_an_image_are_at_least_those_of_the_formula(
    model_id: str, size: tuple[int, int], least: int
) -> None:
    image = replace(PHOTO, width=size[0], height=size[1])
    model = replace(SEEING, model_id=model_id)
    assert least <= image_tokens(image, model) <= 20 * least
    assert image_tokens(replace(PHOTO, width=None, height=None), model) >= image_tokens(PHOTO, model)


def test_the_largest_image_of_a_claude_model() -> None:
    image = replace(PHOTO, width=2048, height=2048)
    assert image_tokens(image, replace(SEEING, model_id="claude-opus-5-5")) == 4784


def test_an_agent_without_a_window_is_told_which_file_to_leave_out() -> None:
    agent: AgentSpec = agent_spec("ada", model=model_spec(window=4_000))
    spec = replace(with_files(long("a.txt", 9_000)), roster=(agent,))
    request, audit = asked(spec)
    assert audit["files_left_out"] == 1
    assert request.messages[0].text.endswith("What is due?")
