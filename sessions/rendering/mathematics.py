r"""Keep TeX in Markdown as source, including its delimiters: `\(…\)`, `\[…\]`, `$…$`, `$$…$$`, `\begin{align}…`.

The page typesets it (static/js/formulas.js); static/js/markdown/mathematics.js has the same rules for text that
streams.

Text that looks like a price or a shell variable is left to Markdown. The rules of mdit-py-plugins support no
brackets, do not end a paragraph, and parse `$5 (or 4$` as a formula. Each search stops if the same delimiter
opens again, which keeps the total linear in the length of the text.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_OPENS_BLOCK = re.compile(
    r"\$\$|\\\[|\\begin\{(?P<name>(?:align|alignat|eqnarray|equation|flalign|gather|multline)\*?)\}"
)
_PAIR = re.compile(
    r"\\\((?:[^\\]|\\[^()])+?\\\)|\\\[(?:[^\\]|\\[^\[\]])+?\\\]|(?<!\$)\$\$(?:[^$\\]|\\.)+?\$\$(?!\$)",
    re.DOTALL,
)
"""An inline formula, matched from its first character; a backslash and the next character belong together."""
_DOLLARS = re.compile(r"(?<![\w$])\$(?![\s$])(?P<tex>(?:[^$\\\n]|\\.)*)(?<!\s)\$(?![\w$])", re.ASCII)
_AFTER_A_WORD = re.compile(r"(?<=[^\W_])\\", re.ASCII)
_SURELY_TEX = re.compile(r"[\\^_={}]")
_AN_AMOUNT = re.compile(r"\d")
_OPERATOR = re.compile(r"[-+*/<>|]")


def keep_mathematics(parser: MarkdownIt) -> None:
    """Add the rules to a parser. Blocks become `math_block` tokens, inline formulas code of the class `math`."""
    ends = ["paragraph", "reference", "blockquote", "list"]
    parser.block.ruler.before("fence", "math_block", _math_block, {"alt": ends})
    parser.inline.ruler.before("escape", "math_inline", _math_inline)


def _math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Parse lines from an opening delimiter at the start of its line to the closing one at the end of its line."""
    if state.is_code_block(start):
        return False
    opening = _OPENS_BLOCK.match(state.src, state.bMarks[start] + state.tShift[start], state.eMarks[start])
    if opening is None:
        return False
    line = _closing_line(state, start, end, opening)
    if line is None:
        return False
    if not silent:
        token = state.push("math_block", "pre", 0)
        token.content = state.getLines(start, line + 1, state.blkIndent, False).strip()
        token.map = [start, line + 1]
        state.line = line + 1
    return True


def _closing_line(state: StateBlock, start: int, end: int, opening: re.Match[str]) -> int | None:
    """Return the line whose end closes `opening`; None if a line before it is empty or opens it again."""
    opener = opening[0]
    closer = {"$$": "$$", "\\[": "\\]"}.get(opener, f"\\end{{{opening['name']}}}")
    position = opening.end()
    for line in range(start, end):
        if line > start:
            if state.isEmpty(line) or state.sCount[line] < state.blkIndent:
                return None
            position = state.bMarks[line] + state.tShift[line]
        text = state.src[position : state.eMarks[line]]
        if closer in text:
            before, _, after = text.partition(closer)
            whole = line > start or before.strip()
            return line if whole and after.strip() in ("", ".", ",", ";") else None
        if opener in text:
            return None
    return None


def _math_inline(state: StateInline, silent: bool) -> bool:
    """Parse an inline formula as code."""
    if state.src[state.pos] not in "\\$":
        return False
    found = _PAIR.match(state.src, state.pos, state.posMax)
    if found:
        # Escaped brackets: `list\[0\]`, `\[link\](…)`.
        if _AFTER_A_WORD.match(state.src, state.pos) or state.src.startswith("(", found.end()):
            return False
    else:
        found = _DOLLARS.match(state.src, state.pos, state.posMax)
        if found and not is_tex(found["tex"]):
            return False
    if not found:
        return False
    if not silent:
        token = state.push("code_inline", "code", 0)
        token.content = found[0]
        token.attrSet("class", "math")
    state.pos = found.end()
    return True


def is_tex(text: str) -> bool:
    """Return whether text between two dollar signs is a formula rather than prose between two amounts."""
    if _SURELY_TEX.search(text) or not re.search(r"\s", text):
        return True
    return bool(_OPERATOR.search(text)) and not _AN_AMOUNT.match(text)
