"""What Django refuses, as the errors that services raise."""

from __future__ import annotations

from django.core.exceptions import ValidationError


def fields_of(error: ValidationError) -> dict[str, list[str]]:
    """Return a Django ValidationError as field -> sentences; what concerns no field is under `non_field_errors`."""
    if hasattr(error, "error_dict"):
        return {
            ("non_field_errors" if field == "__all__" else field): messages
            for field, messages in error.message_dict.items()
        }
    return {"non_field_errors": error.messages}
