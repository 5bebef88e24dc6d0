"""Fixtures of the orchestration tests."""

from __future__ import annotations

from orchestration.tests.providers.fixtures import anthropic_server, openai_server

__all__ = ["anthropic_server", "openai_server"]
