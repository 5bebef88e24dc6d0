"""How many rooms and agents a person may have."""

from __future__ import annotations

from accounts.models import User
from sessions.models import Agent, Room
from web.errors import ValidationFailed


def refuse_one_more(model: type[Agent | Room], owner: User) -> None:
    """Raise ValidationFailed if a person has as many living rooms, or agents, as one may have.

    Only counts, without a lock: what other requests make at the same moment is not seen, so a person may have a few
    more in the end. The bound is there for the length of pages, which a few do not change.
    """
    most = model.MOST_PER_PERSON
    if model.objects.of(owner).count() < most:
        return
    things = model._meta.verbose_name_plural
    sentence = f"An account has at most {most} {things}. Delete some first."
    raise ValidationFailed({"non_field_errors": [sentence]}, sentence)
