"""The cast of `sessions.tests`, for tests of what lies around it."""

from sessions.tests.conftest import alice, api, nobody_runs, openai_model, openai_server

__all__ = ["alice", "api", "nobody_runs", "openai_model", "openai_server"]
