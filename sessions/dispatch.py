"""Hand a turn to whoever runs turns: the web process itself."""

from __future__ import annotations

import uuid

# The runtime imports the services that call this module, so each function imports it when it is called.


def dispatch(turn_id: uuid.UUID) -> None:
    """Have an accepted turn run. Called once it is committed; recovery calls again for what nobody claimed."""
    from sessions.live.runtime import runtime

    runtime.submit(turn_id)


def cancel(turn_id: uuid.UUID) -> None:
    """Tell the runner at once, where it is in this process; elsewhere it sees the flag at its next lease renewal."""
    from sessions.live.runtime import runtime

    runtime.cancel(turn_id)
