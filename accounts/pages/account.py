"""The account page: name, password, API tokens. The only page that creates tokens."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters

from accounts.access import access_token
from accounts.models import ApiToken, User
from accounts.pages.base import PageView, add_errors
from accounts.pages.devices import device_remember
from accounts.pages.form_tokens import claim_form_token, new_form_token, release_form_token
from accounts.pages.forms import NewPasswordForm, tokens_sentence
from accounts.pages.limits import throttle_page
from accounts.pages.sign_in_limits import attempt_count, reset_attempts
from accounts.services.passwords import password_change
from accounts.services.people import (
    MAX_TOKENS,
    allowed_scopes,
    token_create,
    token_delete,
    token_names,
    user_rename,
)
from accounts.throttling import HOUR_S
from web.errors import ValidationFailed

SCOPES = {
    ApiToken.Scope.READ: "Read: view your data",
    ApiToken.Scope.CHAT: "Chat: send messages (incurs cost)",
    ApiToken.Scope.MANAGE: "Manage: create, edit and delete agents and rooms, delete tokens",
    ApiToken.Scope.ADMIN: "Admin: use the administration's API with your rights",
}
LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("never", "Never")]


class NameForm(forms.Form):
    name = forms.CharField(
        label="Name", max_length=120, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class PasswordForm(NewPasswordForm):
    """The current password, as proof of identity, and a new one."""

    old_password = forms.CharField(
        label="Current password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class TokenForm(forms.Form):
    """Name, scopes and expiry of a new token."""

    # Not `name`: the name form on the same page uses that id.
    token_name = forms.CharField(
        label="Name",
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "e.g. laptop"}),
    )
    days = forms.ChoiceField(label="Expiration", choices=LIFETIMES, initial="90")
    scopes = forms.MultipleChoiceField(label="Permissions", widget=forms.CheckboxSelectMultiple)
    once = forms.CharField(widget=forms.HiddenInput, initial=new_form_token, required=False)

    def __init__(self, user: User, data: Any = None) -> None:
        super().__init__(data, initial={"scopes": [ApiToken.Scope.READ, ApiToken.Scope.CHAT]})
        scopes: Any = self.fields["scopes"]
        scopes.choices = [(scope, SCOPES[ApiToken.Scope(scope)]) for scope in allowed_scopes(user)]

    @property
    def expires_at(self) -> dt.datetime | None:
        days = self.cleaned_data["days"]
        return None if days == "never" else timezone.now() + dt.timedelta(days=int(days))


class AccountPage(PageView):
    """Base of the page's views. Each form posts to its own URL, which renders the whole page with the errors."""

    def show(self, request: HttpRequest, *, status: int = 200, **context: Any) -> HttpResponse:
        user = self.user
        defaults = {
            "name_form": NameForm(initial={"name": user.name}),
            "password_form": PasswordForm(user),
            "token_form": TokenForm(user),
            "tokens": list(ApiToken.objects.filter(user=user)),
            "now": timezone.now(),
        }
        return render(request, "accounts/account.html", {**defaults, **context}, status=status)


class AccountView(AccountPage):
    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(request)


class AccountFormPage(AccountPage):
    """The POST target of a form. After an error the browser stays on its URL, so a reload (GET) leads back."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return redirect("account")


class AccountNameView(AccountFormPage):
    def post(self, request: HttpRequest) -> HttpResponse:
        form = NameForm(request.POST)
        if not form.is_valid():
            return self.show(request, name_form=form)
        user_rename(user=self.user, name=form.cleaned_data["name"])
        messages.success(request, "Your name was saved.")
        return redirect("account")


class AccountPasswordView(AccountFormPage):
    def post(self, request: HttpRequest) -> HttpResponse:
        user = self.user
        form, names = PasswordForm(user, request.POST), token_names(user)
        if not form.is_valid():
            return self.show(request, password_form=form)
        data = form.cleaned_data
        counters = attempt_count(request, purpose="password", email=user.email)
        if not user.check_password(data["old_password"]):
            form.add_error("old_password", "Current password is incorrect.")
            return self.show(request, password_form=form)
        reset_attempts(counters)
        try:
            user = password_change(user=user, password=data["password"], delete_tokens=form.deletes_tokens)
        except ValidationFailed as error:
            add_errors(form, error)
            return self.show(request, password_form=form)
        update_session_auth_hash(request, user)  # this browser stays signed in
        tokens = tokens_sentence(names, deleted=form.deletes_tokens)
        messages.success(request, f"Your password was changed. Other browsers are signed out.{tokens}")
        response = redirect("account")
        device_remember(request, response, user)
        return response


class AccountTokensView(AccountFormPage):
    """Create a token. Only this response contains the secret, so a repeated submission must not create another."""

    def post(self, request: HttpRequest) -> HttpResponse:
        form = TokenForm(self.user, request.POST)
        if not form.is_valid():
            return self.show(request, token_form=form)
        data = form.cleaned_data
        # Rate limits count per token: without this limit, replacing a token would reset them.
        reason = "Too many new API tokens."
        throttle_page(self.user, "created-tokens", limit=MAX_TOKENS, window_s=HOUR_S, reason=reason)
        if not claim_form_token(self.user, data["once"]):
            messages.warning(request, "This form was already sent or has expired. No token was created.")
            return redirect("account")
        try:
            token, secret = token_create(
                user=self.user, name=data["token_name"], scopes=data["scopes"], expires_at=form.expires_at
            )
        except ValidationFailed as error:
            release_form_token(self.user, data["once"])
            add_errors(form, error)
            return self.show(request, status=error.http_status, token_form=form)
        return self.show(request, made=token, secret=secret)


class AccountTokenDeleteView(AccountPage):
    def post(self, request: HttpRequest, token_id: str) -> HttpResponse:
        token = access_token(self.user, token_id)
        token_delete(token=token)
        messages.success(request, f"Token “{token.name}” deleted.")
        return redirect("account")


account_password_view = sensitive_post_parameters()(AccountPasswordView.as_view())
