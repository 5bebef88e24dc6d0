"""Upper bounds of the tokens that providers count for an image, by their documented formulas.

Sources: OpenAI, "Images and vision" (tiles: 85 tokens, and 170 for each 512 px square; patches: one for each 32 px
square, at most 10,000, times at most 2.46; gpt-4o-mini counts 2,833 and 5,667); Anthropic, "Vision" (earlier width x
height / 750, now one for each 28 px square; at most 4,784). Servers of open models differ: Qwen and Kimi count a token
for each 28 px square, LLaVA up to 2,880 for any image, Gemini 258 for each 768 px square.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from orchestration.engine.specs import FileSpec, ModelSpec

OPENAI_MODELS = re.compile(r"\A(?:openai/)?(?:gpt-|chatgpt|o\d)")
COSTLY_TILES = re.compile(r"\A(?:openai/)?gpt-4o-mini")
CLAUDE_MODELS = re.compile(r"claude")

LONGEST_SIDE, SHORTEST_SIDE = 2048, 768
"""Pixels to which OpenAI scales an image down before it counts tiles."""
MOST_PATCHES = 10_000
PATCH_HUNDREDTHS = 246
"""The largest factor of OpenAI's models for patches."""
MOST_CLAUDE = 4_784
ANY_SIZE = 2_880
UNKNOWN_SIDE = 2048
"""Pixels of an image whose size is not known: stored images are not larger."""


def image_tokens(image: FileSpec, model: ModelSpec) -> int:
    """Return the maximum number of tokens of an image, for estimates and holds alike."""
    width, height = image.width or UNKNOWN_SIDE, image.height or UNKNOWN_SIDE
    return formula_of(model)(width, height)


def formula_of(model: ModelSpec) -> Callable[[int, int], int]:
    """Return the formula that a model's name tells; for unknown models, one that bounds those of open models."""
    if CLAUDE_MODELS.search(model.model_id):
        return claude_tokens
    if COSTLY_TILES.search(model.model_id):
        return costly_tile_tokens
    return openai_tokens if OPENAI_MODELS.search(model.model_id) else any_tokens


def claude_tokens(width: int, height: int) -> int:
    return min(MOST_CLAUDE, max(-(-width * height // 750), squares(width, height, 28)))


def openai_tokens(width: int, height: int) -> int:
    """Return the larger count of both formulas: which one a model has is not in its name."""
    patches = min(MOST_PATCHES, squares(width, height, 32))
    return max(85 + 170 * tiles(width, height), -(-patches * PATCH_HUNDREDTHS // 100))


def costly_tile_tokens(width: int, height: int) -> int:
    return 2_833 + 5_667 * tiles(width, height)


def any_tokens(width: int, height: int) -> int:
    return max(ANY_SIZE, squares(width, height, 28), openai_tokens(width, height))


def tiles(width: int, height: int) -> int:
    """Return the number of 512 px squares of a scaled image, counted up where rounding may decide."""
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    scale = min(scale, SHORTEST_SIDE / min(width, height))
    return squares(round(width * scale) + 1, round(height * scale) + 1, 512)


def squares(width: int, height: int, side: int) -> int:
    return -(-width // side) * -(-height // side)
