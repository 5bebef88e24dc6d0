"""Highlight code by language, with a bound on the time for any input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pygments import format as write  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]

LANGUAGES = frozenset({
    "bash", "c", "console", "cpp", "csharp", "css", "dart", "diff", "docker", "dockerfile", "elixir", "go",
    "graphql", "haskell", "hcl", "html", "http", "ini", "java", "javascript", "js", "json", "jsx",
    "kotlin", "latex", "lua", "make", "makefile", "markdown", "matlab", "md", "nginx", "objective-c",
    "perl", "php", "powershell", "ps1", "py", "python", "r", "rb", "rs", "ruby", "rust", "scala", "scss",
    "sh", "shell", "sql", "swift", "tex", "toml", "ts", "tsx", "typescript", "xml", "yaml", "yml", "zsh",
})  # fmt: skip
"""Languages that are highlighted: common ones whose lexers have been reviewed."""

CODE_LIMIT = 5_000
"""Maximum characters of a highlighted code block."""
SLOW = {
    "csharp": 400,
    "hcl": 1_000,
    "java": 1_000,
    "matlab": 1_500,
    "scala": 1_200,
    **dict.fromkeys(("make", "makefile", "objective-c"), 2_500),
}
"""Lower limits for lexers whose time grows quadratically, or worse, on some code."""
INSTEAD = {"csharp": "cpp", "java": "cpp"}
"""Substitute lexers with nearly the same result, for code above those limits."""
TEXT_LIMIT, TOKENS_LIMIT = 15_000, 5_000
"""Maximum characters and tokens of all code blocks of a text; the characters of slow lexers count for more."""
LEAST_COST = 150
"""Minimum cost of a block in characters: each needs a lexer, and 7,000 empty ones took seconds."""
LINE_LIMIT = 500
ESCAPES_LIMIT = 100
"""Maximum escaped quotes: outside a string, each makes several lexers scan all following text for its end."""

CODE_CLASSES = frozenset(name for name in STANDARD_TYPES.values() if name)
"""CSS classes of highlighted code."""

_FORMATTER = HtmlFormatter(nowrap=True)
_LONG = re.compile(rf"[^\n]{{{LINE_LIMIT}}}|\s{{100}}")
"""Long lines and gaps: many lexers repeat the same search from each position in them."""


class TooManyTokens(Exception):
    """The code blocks of a text exceed the token limit."""


class Colours:
    """Remaining highlighting budget of one text. `share`: the unused part of the text's work limit, at most 1."""

    def __init__(self, share: float) -> None:
        self._chars = int(TEXT_LIMIT * share)
        self._tokens = int(TOKENS_LIMIT * share)

    def html(self, code: str, language: str) -> str | None:
        """Return highlighted code as HTML, None if it is to be shown without colours."""
        escapes = code.count('\\"') + code.count("\\'")
        if language not in LANGUAGES or not code.strip() or escapes > ESCAPES_LIMIT or _LONG.search(code):
            return None
        for name in (language, INSTEAD.get(language, language)):
            limit = SLOW.get(name, CODE_LIMIT)
            cost = max(LEAST_COST, len(code) * CODE_LIMIT // limit)
            if len(code) <= limit and cost <= self._chars:
                self._chars -= cost
                return self._written(code, name)
        return None

    def _written(self, code: str, language: str) -> str | None:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
        try:
            return str(write(self._counted(lexer.get_tokens(code)), _FORMATTER))
        except TooManyTokens:
            return None

    def _counted(self, tokens: Iterator[Any]) -> Iterator[Any]:
        for token in tokens:
            self._tokens -= 1
            if self._tokens < 0:
                raise TooManyTokens
            yield token
