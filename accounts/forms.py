"""What the forms of accounts share."""

from __future__ import annotations

from typing import Any

from django import forms


class PasswordTwice(forms.Form):
    """A new password, typed twice; whether it is good enough the services judge."""

    password = forms.CharField(
        label="Password",
        strip=False,
        help_text="At least 10 characters, and none of the passwords that everybody uses.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password_again = forms.CharField(
        label="Password again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "password" in data and "password_again" in data and data["password"] != data["password_again"]:
            self.add_error("password_again", "The two passwords differ.")
        return data


class NewPassword(PasswordTwice):
    """For an account that has a password already."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = "New password"
        self.fields["password_again"].label = "New password again"
