"""Images in requests: their form on each wire, servers that refuse them, and the memory that they take."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from dataclasses import replace

import pytest

from orchestration.engine.files import file_parts, message_with_files
from orchestration.engine.specs import ChatMessage, FileSpec, ModelRequest, ModelSpec
from orchestration.gateway.gateway import Gateway
from orchestration.gateway.images import ImageContents, ImageMissing, SendingBytes
from orchestration.tests.gateway import QUICK, ask, completed, failed, request, spec, text_of
from orchestration.tests.gateway.support.wires import kind, model, server
from orchestration.tests.providers import Answer, Gate, ProviderServer

__all__ = ["kind", "model", "server"]

PIXELS = b"\x89PNG\r\n\x1a\npixels"
PHOTO = FileSpec("f1", "flat.png", "image", "image/png", len(PIXELS), width=800, height=600, content="abc")
PLAN = FileSpec("f2", "plan.png", "image", "image/png", 4, width=100, height=100, content="def")
LEASE = FileSpec("f3", "lease.pdf", "text", text="Rent: 1,200.", pages=12)
CONTENTS = {"f1": PIXELS, "f2": b"plan"}


class Reads:
    """Reads images from memory, and remembers it."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def __call__(self, image: FileSpec) -> str:
        assert threading.current_thread() is not threading.main_thread()
        self.ids.append(image.id)
        if image.id not in CONTENTS:
            raise ImageMissing(f"The content of {image.name} is missing.")
        return base64.b64encode(CONTENTS[image.id]).decode()


def seeing(model: ModelSpec) -> ModelSpec:
    return replace(model, vision=True)


def asked(model: ModelSpec, *files: FileSpec, words: str = "What is this?") -> ModelRequest:
    message = message_with_files(words, file_parts(files, model), 0)
    return request(model, messages=(message,))


async def test_images_stand_after_their_labels_and_before_the_words(
    server: ProviderServer, model: ModelSpec, kind: str
) -> None:
    gateway = Gateway(QUICK, images=ImageContents(Reads()))
    completed(await ask(gateway, asked(seeing(model), LEASE, PHOTO, PLAN)))
    await gateway.aclose()
    body = server.served[-1].body
    content = body["messages"][-1]["content"]
    lease = '<file name="lease.pdf" pages="12">\nRent: 1,200.\n</file>'
    texts = [part.get("text") for part in content]
    assert texts == [f'{lease}\n\n[Image "flat.png"]', None, '[Image "plan.png"]', None, "What is this?"]
    encoded = base64.b64encode(PIXELS).decode()
    if kind == "openai":
        assert content[1] == {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}
    else:
        source = {"type": "base64", "media_type": "image/png", "data": encoded}
        assert content[1] == {"type": "image", "source": source}
        assert content[-1]["cache_control"] == {"type": "ephemeral"}
    assert server.images(body) == [PIXELS, b"plan"]


async def test_a_text_stays_a_text(server: ProviderServer, model: ModelSpec) -> None:
    gateway = Gateway(QUICK)
    completed(await ask(gateway, asked(replace(model, prompt_caching=False), LEASE)))
    await gateway.aclose()
    assert isinstance(server.served[-1].body["messages"][-1]["content"], str)


@pytest.mark.parametrize("unsupported", [("system",), ("turns",), ("system", "turns")])
async def test_joined_messages_keep_their_images(
    server: ProviderServer, model: ModelSpec, unsupported: tuple[str, ...]
) -> None:
    gateway = Gateway(QUICK, images=ImageContents(Reads()))
    model = replace(seeing(model), unsupported=unsupported)
    whole = asked(model, PHOTO)
    whole = replace(whole, messages=(ChatMessage("user", "First."), *whole.messages))
    completed(await ask(gateway, whole))
    await gateway.aclose()
    body = server.served[-1].body
    assert server.images(body) == [PIXELS]
    text = server.request_text(body)
    assert text.index("First.") < text.index("flat.png") < text.index("What is this?")


REFUSALS = [
    (400, "Invalid content type. image_url is only supported by certain models."),
    (404, "No endpoints found that support image input"),
    (400, "this model does not support image input"),
    (400, "Image inputs are not supported by this model."),
    (400, "test-model-1 is not a multimodal model"),
    (
        400,
        "At most 0 image(s) may be provided in one prompt. Set --limit-mm-per-prompt to increase this limit.",
    ),
    (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    (400, "Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected `text`"),
    (
        400,
        "'messages.1' : for 'role:user' the following must be satisfied[('messages.1.content' : must be a string)]",
    ),
    (400, "messages[1].content must be a string"),
    (400, "Image input is not enabled for this model"),
    (400, "Unsupported content part type for text-only server: image_url"),
    (400, "Model does not support images. Please use a model that does."),
    (
        400,
        "messages.0.content.1: Input tag 'image' found using 'type' does not match any of the expected tags: 'text'",
    ),
]


def refusing(status: int, message: str) -> Answer:
    error = {"type": "invalid_request_error", "message": message, "param": None, "code": None}
    return Answer(status=status, body=json.dumps({"error": error}).encode())


@pytest.mark.parametrize(("status", "message"), REFUSALS)
async def test_a_server_that_refuses_images_gets_a_line_and_teaches_the_model(
    server: ProviderServer, model: ModelSpec, status: int, message: str
) -> None:
    learnt: list[tuple[str, str]] = []
    gateway = Gateway(
        QUICK,
        on_unsupported=lambda spec, field, reason: learnt.append((field, reason)),
        images=ImageContents(Reads()),
    )
    server.queue(refusing(status, message), Answer("One."), Answer("Two."))
    whole = asked(seeing(model), PHOTO)

    end = failed(await ask(gateway, whole))
    assert (end.without, end.may_have_cost, learnt) == ("images", False, [])
    events = await ask(gateway, whole)
    assert text_of(events) == "One."
    assert learnt[0][0] == "images"
    assert str(status) in learnt[0][1]
    assert max(getattr(event, "images_unseen", 0) for event in events) == 1
    completed(await ask(gateway, whole))
    await gateway.aclose()

    assert [len(server.images(served.body)) for served in server.served] == [1, 0, 0]
    text = server.request_text(server.served[-1].body)
    assert '[The image "flat.png" is attached, but cannot be seen' in text
    assert "[Image" not in text


@pytest.mark.parametrize(
    "message",
    [
        "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6291456 bytes > 5242880 bytes",
        "You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png']",
        "Could not process image",
        "Invalid base64 image_url.",
        "The image data you provided does not represent a valid image. Please check your input: unsupported format",
        "image dimensions are not supported: at least one dimension exceeds 8000 pixels",
    ],
)
async def test_an_error_about_one_image_teaches_nothing_and_says_what_to_do(
    server: ProviderServer, model: ModelSpec, message: str
) -> None:
    gateway = Gateway(QUICK, images=ImageContents(Reads()))
    server.queue(refusing(400, message), refusing(400, message))
    end = failed(await ask(gateway, asked(seeing(model), PHOTO)))
    assert (end.without, end.code) == ("", "provider_error")
    assert "Send a smaller one." in end.message
    plain = failed(await ask(gateway, request(model)))
    assert "image" not in plain.message
    await gateway.aclose()


async def test_a_servers_quotation_of_an_image_is_not_kept(
    server: ProviderServer, model: ModelSpec, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(QUICK, images=ImageContents(Reads()))
    data = base64.b64encode(bytes(range(256))).decode()
    server.queue(refusing(400, f"Cannot read data:image/png;base64,{data} nor {data}"))
    end = failed(await ask(gateway, asked(seeing(model), PHOTO)))
    await gateway.aclose()
    assert data[:100] not in end.provider_text + end.message + caplog.text
    assert "Cannot read" in end.provider_text


async def test_a_missing_image_is_a_failure_before_anything_is_sent(
    server: ProviderServer, model: ModelSpec
) -> None:
    gateway = Gateway(QUICK, images=ImageContents(Reads()))
    lost = replace(PHOTO, id="f9", content="lost")
    end = failed(await ask(gateway, asked(seeing(model), lost)))
    await gateway.aclose()
    assert (end.code, end.may_have_cost, end.retryable) == ("internal_error", False, False)
    assert end.message == "The content of flat.png is missing."
    assert not server.served


async def test_an_image_is_read_once_for_all_agents(server: ProviderServer, model: ModelSpec) -> None:
    reads = Reads()
    gateway = Gateway(QUICK, images=ImageContents(reads))
    whole = asked(seeing(model), PHOTO, PLAN)
    for events in await asyncio.gather(*(ask(gateway, whole) for _ in range(5))):
        completed(events)
    completed(await ask(gateway, whole))
    await gateway.aclose()
    assert sorted(reads.ids) == ["f1", "f2"]
    assert all(server.images(served.body) == [PIXELS, b"plan"] for served in server.served)


async def test_the_memory_of_an_image_is_free_while_the_model_answers(
    server: ProviderServer, model: ModelSpec
) -> None:
    contents = ImageContents(Reads(), most_sending_bytes=1)
    gateway = Gateway(QUICK, images=contents)
    events = gateway.stream(asked(seeing(model), PHOTO))
    await anext(events)
    # The first call has sent its image and goes on; there is room for one at a time.
    completed(await ask(gateway, asked(seeing(model), PLAN)))
    await events.aclose()
    await gateway.aclose()


async def test_small_requests_do_not_wait_behind_large_ones(server: ProviderServer, model: ModelSpec) -> None:
    """A large one gets no answer, and the next one waits for its memory."""
    large = [replace(PHOTO, id=f"f{number}", bytes=60) for number in (1, 2)]
    gateway = Gateway(QUICK, images=ImageContents(Reads(), most_sending_bytes=320))
    gate = Gate()
    server.when("Large", Answer(head_gate=gate), Answer())
    calls = [asyncio.create_task(ask(gateway, asked(seeing(model), image, words="Large"))) for image in large]
    try:
        await asyncio.to_thread(gate.wait_until_reached)
        completed(await ask(gateway, asked(seeing(model), PLAN)))
        assert not any(call.done() for call in calls)
        assert len(server.served) == 2
    finally:
        gate.open()
    for call in calls:
        completed(await call)
    await gateway.aclose()


async def test_room_is_given_in_the_order_of_asking_and_back_after_a_cancellation() -> None:
    room = SendingBytes(10)
    await room.take(8)
    order: list[str] = []

    async def take(name: str, size: int) -> None:
        await room.take(size)
        order.append(name)

    tasks = [asyncio.create_task(take(name, size)) for name, size in (("a", 5), ("b", 2), ("c", 3))]
    await asyncio.sleep(0)
    assert not order  # the small ones wait behind the large one
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    assert order == ["b"]
    room.give_back(8)
    await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["b", "c"]
    room.give_back(2)
    room.give_back(3)
    await room.take(10)
    assert room.clipped(1000) == 10


async def test_the_demo_says_what_it_was_given() -> None:
    whole = replace(
        asked(spec("demo", vision=True), LEASE, PHOTO),
        files=(replace(LEASE, bytes=9_000), PHOTO),
        question="What?",
    )
    text = text_of(await ask(Gateway(QUICK), whole))
    assert (
        "I was given **lease.pdf** (text, 12 pages, 12 characters, 9,000 bytes) and "
        "**flat.png** (image, 800 × 600 pixels, 14 bytes)." in text
    )
