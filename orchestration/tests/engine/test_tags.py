import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.engine.tags import parse_tags

KEYS = ["ana", "analyst", "legal-eagle", "x_1"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("@ana what now?", ["ana"]),
        ("what now, @ana?", ["ana"]),
        ("@ANA!", ["ana"]),
        ("(@ana)", ["ana"]),
        ("@ana's view", ["ana"]),
        ("@analyst, please", ["analyst"]),
        ("@analyst and @ana", ["analyst", "ana"]),
        ("@ana @analyst @ana", ["ana", "analyst"]),
        ("@legal-eagle- done", ["legal-eagle"]),
        ("ask @x_1.", ["x_1"]),
        ("@all", KEYS),
        ("@x_1 then @all", ["x_1", "ana", "analyst", "legal-eagle"]),
        ("line one\n@ana", ["ana"]),
        ("**@ana**", ["ana"]),
        ("@ana.", ["ana"]),
        ("@ana.What now?", ["ana"]),
        ("请@analyst回答", ["analyst"]),
        ("こんにちは@analyst さん", ["analyst"]),
        ("@analystさん、どう", ["analyst"]),
        ("안녕@ana은", ["ana"]),
        ("спроси@ana", ["ana"]),
        ("＠analyst 你好", ["analyst"]),
        ("请＠all", KEYS),
        ("「@ana」、@x_1さん", ["ana", "x_1"]),
    ],
)
def test_tags_in_the_order_of_first_mention(message: str, expected: list[str]) -> None:
    assert list(parse_tags(message, KEYS).keys) == expected


@pytest.mark.parametrize(
    "message",
    [
        "write to ana@ana.example",
        "mail bob@ana or ana@bob.example",
        "mail bob＠ana or ana＠bob.example",
        "mail zoé@ana or zoe\u0301@ana or việt@ana",
        "mail ｂｏｂ@ana",
        "`@ana`",
        "``a ` @ana``",
        "```\n@ana\n```",
        "~~~\n@ana",
        "no tag",
        "@",
        "ana",
        "https://host/@ana",
    ],
)
def test_text_that_is_not_a_tag(message: str) -> None:
    assert parse_tags(message, KEYS).keys == ()


def test_unknown_tags_are_reported_once_in_order() -> None:
    tags = parse_tags("@zed and @ana and @Bob, @zed", KEYS)
    assert tags.keys == ("ana",)
    assert tags.unknown == ("zed", "Bob")


def test_few_of_many_unknown_tags_are_listed() -> None:
    tags = parse_tags(" ".join(f"@{'x' * 100}{number}" for number in range(1_000)) + " @ana", KEYS)
    assert tags.keys == ("ana",)
    assert tags.unknown == ("x" * 64,)
    assert len(parse_tags(" ".join(f"@x{number}" for number in range(1_000)), KEYS).unknown) == 20


def test_a_longer_word_is_not_a_shorter_key() -> None:
    tags = parse_tags("@analysts", KEYS)
    assert tags.keys == ()
    assert tags.unknown == ("analysts",)


def test_an_unclosed_backtick_hides_nothing() -> None:
    assert parse_tags("a ` b @ana", KEYS).keys == ("ana",)


@given(st.text(max_size=200))
def test_any_message_is_parsed(message: str) -> None:
    tags = parse_tags(message, KEYS)
    assert set(tags.keys) <= set(KEYS)
    assert len(set(tags.keys)) == len(tags.keys)


def test_a_tag_after_the_rest_of_a_fence_is_a_tag() -> None:
    assert parse_tags("```a```` @ana `b`", ["ana"]).keys == ("ana",)
