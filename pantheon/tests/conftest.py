"""The fixtures of `sessions.tests`, for the tests of this package."""

from sessions.tests.conftest import alice, api, bob, nobody_runs, openai_model, openai_server

__all__ = ["alice", "api", "bob", "nobody_runs", "openai_model", "openai_server"]
