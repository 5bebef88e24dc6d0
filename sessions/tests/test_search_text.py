"""The text that search reads: stored with each text, for rows from before too, and on PostgreSQL with an index."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction

from sessions.models import ChatSession, Message
from sessions.services.chats import session_rename
from sessions.tests.api.test_search import find, say
from sessions.tests.factories import make_agent

pytestmark = pytest.mark.django_db

fill = import_module("sessions.migrations.0016_search_text_of_rows")
index = import_module("sessions.migrations.0017_search_index")


@pytest.fixture
def session(alice: Any, openai_model: Any) -> ChatSession:
    return say(alice, make_agent(alice, "ana", openai_model), "Straße")


def test_it_changes_with_its_text(session: ChatSession) -> None:
    assert list(Message.objects.values_list("search_text", flat=True)) == ["strasse"]
    Message.objects.update(text="Café")
    session_rename(session=session, title="  Über uns ")
    assert list(Message.objects.values_list("search_text", flat=True)) == ["cafe"]
    assert list(ChatSession.objects.values_list("search_text", flat=True)) == ["uber uns"]


def test_the_migration_fills_rows_from_before(session: ChatSession, api: Any) -> None:
    for table in ("message", "chatsession"):
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE chat_sessions_{table} SET search_text = ''")
    assert find(api, "strasse") == []
    fill.fill(apps, None)
    assert len(find(api, "strasse")) == len(find(api, "something")) == 1


class TestWithoutTrigrams:
    """PostgreSQL where nobody may create the extension."""

    @pytest.fixture(autouse=True)
    def extension(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("only PostgreSQL has an index of trigrams")
        with connection.cursor() as cursor:
            cursor.execute("DROP EXTENSION IF EXISTS pg_trgm CASCADE")

    def test_search_finds_the_same(self, session: ChatSession, api: Any) -> None:
        assert len(find(api, "rass")) == 1

    def test_the_migration_goes_on_and_says_what_to_run(self, caplog: pytest.LogCaptureFixture) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE ROLE nobody_special")
            cursor.execute("SET LOCAL ROLE nobody_special")
            with caplog.at_level(logging.WARNING), connection.schema_editor(atomic=False) as editor:
                index.create_indexes(editor)
            cursor.execute("RESET ROLE")
        assert "CREATE EXTENSION IF NOT EXISTS pg_trgm; CREATE INDEX" in caplog.text

    def test_the_migration_creates_it(self) -> None:
        with connection.schema_editor(atomic=False) as editor:
            index.create_indexes(editor)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname = ANY(%s)", [[*index.TABLES]])
            assert cursor.fetchone() == (2,)
