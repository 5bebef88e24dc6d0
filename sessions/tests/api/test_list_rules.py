"""Rules for every list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.tests.support.clients import (
    client_of,
    refused,
)
from sessions.models import Agent, Room
from sessions.tests.factories import make_agent, make_room, make_session
from sessions.tests.support.endpoints import Ids, alice, bob, ids, url

__all__ = ["alice", "bob", "ids"]

pytestmark = pytest.mark.django_db


LISTS = ["agents", "rooms", "rooms/{room}/sessions", "agents/{agent}/sessions"]


@pytest.mark.parametrize("path", LISTS)
class TestLists:
    """Newest first, a page at a time."""

    @pytest.fixture
    def add(self, alice: User, ids: Ids, path: str) -> Callable[[int], str]:
        def add(number: int) -> str:
            match path:
                case "agents":
                    row: Any = make_agent(alice, f"agent-{number}")
                case "rooms":
                    row = make_room(alice, name=f"Room {number}")
                case "rooms/{room}/sessions":
                    row = make_session(alice, Room.objects.get(pk=ids.room))
                case _:
                    row = make_session(alice, Agent.objects.get(pk=ids.agent))
            return str(row.pk)

        return add

    @pytest.fixture
    def client(self, alice: User) -> Client:
        return client_of(alice)

    @staticmethod
    def shown(page: Any) -> list[str]:
        return [row["id"] for row in page["results"]]

    def test_is_newest_first(self, client: Client, ids: Ids, path: str, add: Callable[[int], str]) -> None:
        existing = self.shown(client.get(url(path, ids)).json())
        added = [add(number) for number in range(3)]
        page = client.get(url(path, ids)).json()
        assert page.keys() == {"next", "previous", "results"}
        assert self.shown(page) == [*reversed(added), *existing]
        assert (page["next"], page["previous"]) == (None, None)

    def test_pages_stay_what_they_are_while_rows_are_added(
        self, client: Client, ids: Ids, path: str, add: Callable[[int], str]
    ) -> None:
        for number in range(5):
            add(number)
        everything = self.shown(client.get(url(path, ids)).json())
        page = client.get(url(path, ids) + "?limit=2").json()
        seen = self.shown(page)
        assert len(seen) == 2
        pages = [page]
        while page["next"]:
            add(100 + len(pages))
            page = client.get(page["next"]).json()
            pages.append(page)
            seen += self.shown(page)
        assert seen == everything
        back = client.get(pages[2]["previous"]).json() if len(pages) > 2 else pages[0]
        assert self.shown(back) == everything[2:4]

    def test_50_at_first_200_at_most(
        self, client: Client, ids: Ids, path: str, add: Callable[[int], str]
    ) -> None:
        for number in range(52):
            add(number)
        assert len(self.shown(client.get(url(path, ids)).json())) == 50
        assert len(self.shown(client.get(url(path, ids) + "?limit=200").json())) >= 52

    def test_another_limit_is_400(self, client: Client, ids: Ids, path: str) -> None:
        for limit in ("0", "201", "-1", "", "ten", "1e2", "٣", "9" * 5000):
            error = refused(client.get(url(path, ids), {"limit": limit}), 400, "invalid_parameter")
            assert error["details"] == {"parameter": "limit"}

    def test_another_cursor_is_400(self, client: Client, ids: Ids, path: str) -> None:
        for cursor in ("nonsense", "%00", "cD1ub25zZW5zZQ==", "bz0tMQ=="):
            error = refused(client.get(url(path, ids), {"cursor": cursor}), 400, "invalid_parameter")
            assert error["details"] == {"parameter": "cursor"}

    def test_takes_as_many_queries_for_many_as_for_one(
        self, client: Client, ids: Ids, path: str, add: Callable[[int], str], django_assert_num_queries
    ) -> None:
        add(0)
        client.get(url(path, ids))  # notes the token's use
        # The token, the place whose list it is, the list, and in rooms how long the prompts are and who sits there.
        queries = {"agents": 2, "rooms": 4}.get(path, 3)
        with django_assert_num_queries(queries):
            client.get(url(path, ids))
        for number in range(1, 6):
            add(number)
        with django_assert_num_queries(queries):
            assert len(self.shown(client.get(url(path, ids)).json())) >= 6

    def test_a_stranger_sees_none_of_it(self, bob: User, ids: Ids, path: str) -> None:
        response = client_of(bob).get(url(path, ids))
        if "{" in path:
            refused(response, 404, "not_found")
        else:
            assert response.json()["results"] == []
