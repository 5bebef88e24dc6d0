"""Entries of the audit log as sentences: "Ada made Grace a Billing member".

Values are shown of the tables of accounts, catalogue and billing alone: what people write is in none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.utils.dateparse import parse_datetime

from accounts.models import AuditEntry
from accounts.services.audit import CHANGED
from web.dates import moment_text

Names = Mapping[str, str]
"""Names of rows by id, for values that are ids."""

VALUES_OF = ("accounts", "auth", "billing", "orchestration")
"""The packages whose values are shown."""

LONGEST = 60
"""Characters of a value; the page of the entry has the whole."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

VERBS = {
    "add": "added",
    "change": "changed",
    "delete": "deleted",
    "suspend": "suspended",
    "reactivate": "reactivated",
    "revoke": "revoked",
    "accept": "accepted",
    "erase": "erased",
    "sign up": "signed up",
    "read": "viewed the content of",
    "reprice": "corrected the call costs of",
    "password link": "created a password reset link for",
    "change password": "changed the password of",
    "reset password": "reset the password of",
}
"""Action -> verb."""

NO_KIND = frozenset(
    {"accounts.User", "accounts.Invitation", "chat_sessions.Turn", "chat_sessions.ChatSession"}
)
"""Types whose rows are named without their kind: people, and names that begin with it."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence without its subject: verb, the object's name, and the rest."""

    verb: str
    object: str
    rest: str = ""


SentenceMaker = Callable[[AuditEntry, Names], Sentence | None]
MAKERS: dict[str, SentenceMaker] = {}
"""Object type -> what makes its sentences; None for those that are made like all others."""


def sentence_of(entry: AuditEntry, names: Names) -> Sentence:
    """Return an entry's sentence. `names`: see `ids_in`."""
    maker = MAKERS.get(entry.object_type)
    made = maker(entry, names) if maker is not None else None
    return made or plain_sentence(entry, names)


def plain_sentence(entry: AuditEntry, names: Names) -> Sentence:
    verb = VERBS.get(entry.action, entry.action)
    if entry.action == "sign up":
        return Sentence(verb, "")
    if entry.object_type not in NO_KIND:
        verb = f"{verb} the {kind_of(entry.object_type)}"
    changes = changes_of(entry, names) if entry.action == "change" else []
    return Sentence(verb, label_of(entry), f": {'; '.join(changes)}" if changes else "")


def changes_of(entry: AuditEntry, names: Names, *, left_out: frozenset[str] = frozenset()) -> list[str]:
    """Return what changed, as "limit from 10 to 20"; without values for types that may hold texts."""
    if entry.object_type.partition(".")[0] not in VALUES_OF:
        return []
    return [
        change_text(field_name(entry.object_type, name), entry.before.get(name), value, names)
        for name, value in entry.after.items()
        if name not in left_out
    ]


def change_text(field: str, old: Any, new: Any, names: Names) -> str:
    if CHANGED in (old, new):
        return field
    if isinstance(old, list) and isinstance(new, list):
        added, removed = [x for x in new if x not in old], [x for x in old if x not in new]
        parts = [f"added {value_text(added, names)}"] if added else []
        parts += [f"removed {value_text(removed, names)}"] if removed else []
        return f"{field}: {', '.join(parts)}" if parts else field
    return f"{field} from {value_text(old, names)} to {value_text(new, names)}"


def value_text(value: Any, names: Names) -> str:
    """Return a stored value as people read it."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return shortened(", ".join(value_text(each, names) for each in value)) or "none"
    text = str(value)
    if text in names:
        return names[text]
    if isinstance(value, str) and "T" in text and (moment := as_moment(text)):
        return moment
    return shortened(text)


def as_moment(text: str) -> str:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return ""
    return moment_text(moment) if moment is not None and moment.tzinfo is not None else ""


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def label_of(entry: AuditEntry) -> str:
    return entry.object_label or "an erased object"


def kind_of(object_type: str) -> str:
    """Return what a type is called: `team`, `API token`."""
    try:
        return str(apps.get_model(object_type)._meta.verbose_name)
    except (LookupError, ValueError):
        return object_type.rpartition(".")[2].lower()


def field_name(object_type: str, name: str) -> str:
    try:
        field = apps.get_model(object_type)._meta.get_field(name.removesuffix("_id"))
    except (LookupError, ValueError, FieldDoesNotExist):
        return name.replace("_", " ")
    return str(getattr(field, "verbose_name", name))


def user_sentence(entry: AuditEntry, names: Names) -> Sentence | None:
    """Return the sentence of a user's role, rights, team or state; what else changed follows."""
    who, old, new = label_of(entry), entry.before, entry.after
    if entry.action in ("change password", "reset password") and str(entry.actor_id) == entry.object_id:
        return Sentence(VERBS[entry.action].replace("the password of", "their password"), "")
    if entry.action != "change":
        return None
    rest = changes_of(entry, names, left_out=IN_SENTENCES)
    parts: list[Sentence] = []
    groups = [name for name in new.get("groups", []) if name not in old.get("groups", [])]
    gone = [name for name in old.get("groups", []) if name not in new.get("groups", [])]
    if groups:
        parts.append(Sentence("made", who, f" a {' and '.join(groups)} member"))
    if gone:
        parts.append(Sentence("took", who, f" out of {' and '.join(gone)}"))
    if "is_superuser" in new:
        parts.append(
            Sentence("made", who, " a superuser" if new["is_superuser"] else " no longer a superuser")
        )
    elif "is_staff" in new and not groups:
        given = new["is_staff"]
        parts.append(Sentence("gave" if given else "withdrew from", who, " access to the administration"))
    if "is_active" in new:
        parts.append(Sentence("reactivated" if new["is_active"] else "suspended", who))
    if "team_id" in new:
        team = value_text(new["team_id"], names)
        parts.append(Sentence("moved", who, f" to {team}" if new["team_id"] else " out of their team"))
    if "name" in new:
        parts.append(
            Sentence("renamed", str(old.get("name") or who), f" to {value_text(new['name'], names)}")
        )
    if not parts:
        return None
    first, *others = parts
    more = [f"{each.verb} them{each.rest}" for each in others] + (
        [f"changed {', '.join(rest)}"] if rest else []
    )
    return Sentence(first.verb, first.object, first.rest + "".join(f"; {each}" for each in more))


IN_SENTENCES = frozenset(
    {"groups", "is_superuser", "is_staff", "is_active", "team_id", "name", "signed_out_at"}
)
MAKERS["accounts.User"] = user_sentence


def ids_in(entries: list[AuditEntry]) -> set[str]:
    """Return the ids in the names and values of entries, to look up what they are called at once."""
    values = [values.get("team_id") for entry in entries for values in (entry.before, entry.after)]
    named = (found for entry in entries for found in UUID.findall(entry.object_label))
    return {str(value) for value in values if value} | set(named)
