"""Convert Django's validation errors to those that services raise."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Model

from web.errors import ValidationFailed


def require_valid(row: Model, *, validate_constraints: bool = True) -> None:
    """Validate a row before it is saved. Raises ValidationFailed.

    `validate_constraints=False` leaves unique values to the database, which decides between concurrent requests.
    """
    try:
        row.full_clean(validate_constraints=validate_constraints)
    except ValidationError as error:
        raise ValidationFailed(fields_of(error)) from error


def fields_of(error: ValidationError) -> dict[str, list[str]]:
    """Return a Django ValidationError as field -> messages; `non_field_errors` holds those of no field."""
    if hasattr(error, "error_dict"):
        return {
            ("non_field_errors" if field == "__all__" else field): messages
            for field, messages in error.message_dict.items()
        }
    return {"non_field_errors": error.messages}
