"""Maximum number of rooms and agents per person."""

from __future__ import annotations

from accounts.models import User
from sessions.models import Agent, Room
from web.errors import ValidationFailed


def refuse_one_more(model: type[Agent | Room], owner: User) -> None:
    """Raise ValidationFailed if a person has reached the maximum of rooms or agents that are not deleted.

    Counts without a lock, so concurrent requests may exceed the maximum by a few. It only bounds the length of pages.
    """
    limit = model.MOST_PER_PERSON
    if model.objects.of(owner).count() < limit:
        return
    plural = model._meta.verbose_name_plural
    sentence = f"An account has at most {limit} {plural}. Delete some first."
    raise ValidationFailed({"non_field_errors": [sentence]}, sentence)
