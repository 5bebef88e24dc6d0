"""Places: granted in order, to requests that have begun first, and per user."""

from __future__ import annotations

import uuid

from pantheon.http.user_places import UserPlaces

ALICE, BOB = uuid.uuid4(), uuid.uuid4()


def test_places_are_granted_in_order_and_per_user() -> None:
    places = UserPlaces(2)
    one, two, three, four = (places.take(ALICE) for _ in range(4))
    other = places.take(BOB)
    assert [place.granted.done() for place in (one, two, three, four, other)] == [
        True,
        True,
        False,
        False,
        True,
    ]
    places.give_back(two)
    assert [place.granted.done() for place in (three, four)] == [True, False]
    places.give_back(one)
    assert four.granted.done()


def test_requests_that_have_begun_go_first() -> None:
    places = UserPlaces(1)
    running, new, begun = places.take(ALICE), places.take(ALICE), places.take(ALICE, has_begun=True)
    places.give_back(running)
    assert (begun.granted.done(), new.granted.done()) == (True, False)


def test_a_place_is_free_after_its_last_holder() -> None:
    places = UserPlaces(1)
    running, waiting = places.take(ALICE), places.take(ALICE)
    places.share(running)
    places.give_back(running)
    assert not waiting.granted.done()
    places.give_back(running)
    assert waiting.granted.done()


def test_who_has_left_gets_no_place() -> None:
    places = UserPlaces(1)
    running, left, waiting = (places.take(ALICE) for _ in range(3))
    assert places.waiting(ALICE) == 2
    assert places.withdraw(left)
    assert places.waiting(ALICE) == 1
    places.give_back(running)
    assert waiting.granted.done()
    assert not places.withdraw(waiting)
    assert places.waiting(ALICE) == places.waiting(BOB) == 0


def test_after_the_end_no_place_is_granted() -> None:
    places = UserPlaces(1)
    running, waiting = places.take(ALICE), places.take(ALICE)
    places.close()
    places.give_back(running)
    assert not waiting.granted.done()


def test_nothing_is_kept_of_users_without_requests() -> None:
    places = UserPlaces(1)
    for _ in range(2):
        places.give_back(places.take(ALICE))
    assert not places._users
