"""Create the rows of a load test in the environment's database: a user, a room, and an agent for each model.

    python -m sessions.tests.load.rows BASE_URL MODEL_ID...

Agents are named like their models. Prints the Authorization header and the id of the room, as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import django


@dataclass(frozen=True)
class Place:
    base_url: str


def main(base_url: str, *model_ids: str) -> None:
    django.setup()
    from django.core.management import call_command

    from sessions.tests.factories import bearer, make_agent, make_model, make_room, make_user

    call_command("migrate", interactive=False, verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    user = make_user("load")
    agents = [make_agent(user, name, make_model(Place(base_url), name)) for name in model_ids]
    room = make_room(user, *agents)
    json.dump({"authorization": bearer(user), "room": str(room.pk)}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
