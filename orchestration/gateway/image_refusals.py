"""Recognize errors of servers whose model takes no images, apart from errors about one particular image.

Wordings: OpenAI ("image_url is only supported by certain models"), OpenRouter and Xiaomi ("No endpoints found that
support image input"), Ollama, xAI and LM Studio ("does not support image"), vLLM ("is not a multimodal model", "At most
0 image(s)"), llama.cpp ("mmproj"), DeepSeek ("unknown variant `image_url`"), Groq ("must be a string"), Mistral ("Image
input is not enabled"), Anthropic-compatible servers ("Input tag 'image' found").
"""

from __future__ import annotations

import re

CERTAIN = re.compile(
    r"not an? (?:multi-?modal|vision)|at most 0 image|mmproj|unknown variant [`'\"]?image|input tag [`'\"]?image"
    r"|only supported by certain models|no endpoints found that support image"
    r"|content['\"`]?\s*:?\s*(?:must be|should be|is not) an? (?:valid )?string|multimodal (?:data )?is not",
    re.IGNORECASE,
)
IMAGE = r"(?:images?|image[ _-]?(?:urls?|inputs?)|vision|multi-?modal\w*)\b"
REFUSES = (
    r"(?:n[o']t (?:\w+ )?support|unsupported|not (?:\w+ )?(?:enabled|available|allowed|accepted|supported)"
    r"|cannot (?:process|read|accept|handle|see)|text[- ]only)"
)
NO_IMAGES = re.compile(rf"\b{IMAGE}.{{0,80}}{REFUSES}|{REFUSES}.{{0,80}}\b{IMAGE}", re.IGNORECASE | re.DOTALL)
OF_ONE_IMAGE = re.compile(
    r"too (?:large|big|many|small)|exceed|maxim|limit|\bsize|dimension|pixel|\b[km]i?b\b|bytes|resolution|format"
    r"|mime|media[ _]?type|decod|base64|corrupt|could not process|download|fetch|detail|\b(?:gif|webp|png|jpe?g)\b",
    re.IGNORECASE,
)
"""Words about the image that was sent: another one would be accepted."""


NAMES_IMAGE = re.compile(r"\bimages?\b|image_url", re.IGNORECASE)


def is_about_one_image(text: str) -> bool:
    """Return whether an error's message is about an image that was sent, of which another would be accepted."""
    return NAMES_IMAGE.search(text) is not None and OF_ONE_IMAGE.search(text) is not None


def refuses_images(text: str) -> bool:
    """Return whether an error's message says that the model takes no images at all."""
    if CERTAIN.search(text):
        return True
    return NO_IMAGES.search(text) is not None and OF_ONE_IMAGE.search(text) is None
