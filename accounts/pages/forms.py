"""What the forms of accounts share."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from accounts.services.people import token_names


class ConfirmedPasswordForm(forms.Form):
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


class NewPasswordForm(ConfirmedPasswordForm):
    """For an account that has a password already. API tokens survive a new password, so it offers to delete them."""

    delete_tokens = forms.BooleanField(label="Delete my API tokens too", required=False)

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data)
        self.fields["password"].label = "New password"
        self.fields["password_again"].label = "New password again"
        if names := token_names(user):
            self.fields["delete_tokens"].help_text = f"Otherwise they stay valid: {names}."
        else:
            del self.fields["delete_tokens"]

    @property
    def deletes_tokens(self) -> bool:
        return bool(self.cleaned_data.get("delete_tokens"))


def tokens_sentence(names: str, *, deleted: bool) -> str:
    """Return what a new password has left of the API tokens that there were, to follow another sentence."""
    if not names:
        return ""
    return " Your API tokens were deleted." if deleted else f" These API tokens stay valid: {names}."
