"""Convert Django's validation errors to those that services raise."""

from __future__ import annotations

from django.core.exceptions import ValidationError


def fields_of(error: ValidationError) -> dict[str, list[str]]:
    """Return a Django ValidationError as field -> messages; `non_field_errors` holds those of no field."""
    if hasattr(error, "error_dict"):
        return {
            ("non_field_errors" if field == "__all__" else field): messages
            for field, messages in error.message_dict.items()
        }
    return {"non_field_errors": error.messages}
