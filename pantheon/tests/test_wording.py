"""What users read is in one vocabulary: pages, mails, errors, API descriptions, command help."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from django.conf import settings

ROOT = settings.BASE_DIR
PACKAGES = ("accounts", "billing", "orchestration", "pantheon", "sessions", "web")
SENTENCE = re.compile(r"[A-Za-z]+ [a-z]+")
"""Strings of one word are keys, not texts."""

FORBIDDEN = {
    "email": r"\be-mail",
    "a percentage without a space": r"\d %(?![}\w(%])",
    "create": r"\b[Mm]ake (?:me|my|the|an?) (?:account|administrator|agent|budget|council|room|token)\b",
    "again, new": r"\banew\b",
    "user": r"\bwhoever\b|\bwhat there is\b|\bis no (?:agent|budget|model|room|user)\b",
    "someone": r"\b[Ss]omebody\b|\b[Ee]verybody\b(?! who is)",
    "setup link": r"\bset-up link",
    "enabled, disabled": r"\b[Ss]witched? (?:on|off)\b",
    "learned": r"\blearnt\b",
    "Forgot password?": r"\b[Ff]orgotten password",
    "Continue": r"\bGo on\b",
    "Confirm password": r"\b[Pp]assword again\b",
    "Conclusion": r"\b[Ss]ynthesis\b",
    "Handle": r"\bagent'?s? key\b",
    "rejected the API key": r"did not accept the key|forbids this|limits our requests",
    "Reviewing answers": r"weighs the answers|puts the answers together",
    "Retry": r"\b[Rr]egenerate\b",
    "default route": r"> ?fallback ?<",
}
"""Preferred word -> what is written instead of it."""

# Texts for models, not for users, and what servers of providers write.
NOT_FOR_USERS = ("orchestration/engine/", "orchestration/gateway/", "sessions/services/starter.py")
COMMENT = re.compile(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}|<!--.*?-->", re.DOTALL)
TAG = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
READ_ATTRIBUTE = re.compile(r'(?:aria-label|title|placeholder|alt)="([^"]*)"')
SCRIPT_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')


@cache
def sentences() -> list[tuple[str, str]]:
    """Return (file, text) of everything that users may read."""
    texts = [*template_texts(), *script_texts(), *python_texts()]
    found = [(name, text) for name, text in texts if SENTENCE.search(text)]
    assert len(found) > 1000
    return found


def template_texts() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "templates").rglob("*.*")):
        source = TAG.sub(" ", COMMENT.sub("", path.read_text()))
        shown = " ".join([re.sub(r"<[^>]*>", " | ", source), *READ_ATTRIBUTE.findall(source)])
        yield str(path.relative_to(ROOT)), " ".join(shown.split())


def script_texts() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "static" / "js").glob("*.js")):
        source = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        code = "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("//"))
        for quoted, templated in SCRIPT_STRING.findall(code):
            yield path.name, quoted or templated


def python_texts() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if {"tests", "migrations"} & set(path.parts) or name.startswith(NOT_FOR_USERS):
                continue
            for text in strings_of(ast.parse(path.read_text())):
                yield name, text


def strings_of(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of a module without its docstrings."""
    documentation = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield " ".join(node.value.split())


@pytest.mark.parametrize("preferred", FORBIDDEN)
def test_texts_use_the_preferred_words(preferred: str) -> None:
    forbidden = re.compile(FORBIDDEN[preferred])
    found = [
        f"{name}: {text[max(0, match.start() - 40) : match.end() + 40]}"
        for name, text in sentences()
        if (match := forbidden.search(text))
    ]
    assert not found, f"write “{preferred}”:\n" + "\n".join(found)
