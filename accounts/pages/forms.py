"""Password forms that several pages use."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from accounts.services.people import token_names


class ConfirmedPasswordForm(forms.Form):
    """A new password, typed twice. Services validate its strength."""

    password = forms.CharField(
        label="Password",
        strip=False,
        help_text="At least 10 characters. Common passwords aren't allowed.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password_again = forms.CharField(
        label="Confirm password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "password" in data and "password_again" in data and data["password"] != data["password_again"]:
            self.add_error("password_again", "Passwords don't match.")
        return data


class NewPasswordForm(ConfirmedPasswordForm):
    """A new password for an existing account. Offers to delete API tokens, which otherwise stay valid."""

    delete_tokens = forms.BooleanField(label="Delete my API tokens too", required=False)

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data)
        self.fields["password"].label = "New password"
        self.fields["password_again"].label = "Confirm new password"
        if names := token_names(user):
            self.fields["delete_tokens"].help_text = f"Otherwise they stay valid: {names}."
        else:
            del self.fields["delete_tokens"]

    @property
    def deletes_tokens(self) -> bool:
        return bool(self.cleaned_data.get("delete_tokens"))


def tokens_sentence(names: str, *, deleted: bool) -> str:
    """Return a sentence about the API tokens after a password change, with a leading space; "" if there were none."""
    if not names:
        return ""
    return " Your API tokens were deleted." if deleted else f" These API tokens stay valid: {names}."
