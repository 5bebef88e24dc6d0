"""Moments in admin forms: the browser's own fields for date and time, in UTC."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import models


class MomentWidget(forms.SplitDateTimeWidget):
    """Native fields instead of Django's scripts, so that phones and the dark theme show their own pickers."""

    supports_microseconds = False

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(
            attrs,
            date_format="%Y-%m-%d",
            time_format="%H:%M:%S",
            date_attrs={"type": "date", "class": "vDateField"},
            time_attrs={"type": "time", "class": "vTimeField", "step": "1"},
        )


MOMENTS: dict[Any, dict[str, Any]] = {
    models.DateTimeField: {"form_class": forms.SplitDateTimeField, "widget": MomentWidget}
}
"""For `formfield_overrides`."""
