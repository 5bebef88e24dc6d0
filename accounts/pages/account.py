"""Pages: one's own account. Name, password, API tokens; tokens are made here and nowhere else in a browser."""

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
    ApiToken.Scope.READ: "read: look at everything that is yours",
    ApiToken.Scope.CHAT: "chat: talk with councils, which costs money",
    ApiToken.Scope.MANAGE: "manage: make and delete agents and rooms, delete tokens",
    ApiToken.Scope.ADMIN: "admin: what you may do in the administration's API",
}
LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("never", "Never")]


class NameForm(forms.Form):
    name = forms.CharField(
        label="Name", max_length=120, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )


class PasswordForm(NewPasswordForm):
    """The old password, which shows who asks, and a new one."""

    old_password = forms.CharField(
        label="Password now",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class TokenForm(forms.Form):
    """A name, what the token may do, and until when."""

    # Not `name`: the page has another field of that id.
    token_name = forms.CharField(
        label="Name",
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "What it is for"}),
    )
    days = forms.ChoiceField(label="Expires after", choices=LIFETIMES, initial="90")
    scopes = forms.MultipleChoiceField(label="May", widget=forms.CheckboxSelectMultiple)
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
    """Everything on one page; each form is sent to an address of its own, and comes back with what is wrong."""

    def show(self, request: HttpRequest, *, status: int = 200, **context: Any) -> HttpResponse:
        user = self.user
        shown = {
            "name_form": NameForm(initial={"name": user.name}),
            "password_form": PasswordForm(user),
            "token_form": TokenForm(user),
            "tokens": list(ApiToken.objects.filter(user=user)),
            "now": timezone.now(),
        }
        return render(request, "accounts/account.html", {**shown, **context}, status=status)


class AccountView(AccountPage):
    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(request)


class AccountFormPage(AccountPage):
    """Where a form of the account page is sent to. Its address stays in the browser when something was wrong."""

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
            form.add_error("old_password", "This is not your password.")
            return self.show(request, password_form=form)
        reset_attempts(counters)
        try:
            user = password_change(user=user, password=data["password"], delete_tokens=form.deletes_tokens)
        except ValidationFailed as error:
            add_errors(form, error)
            return self.show(request, password_form=form)
        update_session_auth_hash(request, user)  # this browser stays signed in
        still = tokens_sentence(names, deleted=form.deletes_tokens)
        messages.success(request, f"Your password was changed. Other browsers are signed out.{still}")
        response = redirect("account")
        device_remember(request, response, user)
        return response


class AccountTokensView(AccountFormPage):
    """Make a token. Its secret is in this one answer and nowhere else, so the form makes one token alone."""

    def post(self, request: HttpRequest) -> HttpResponse:
        form = TokenForm(self.user, request.POST)
        if not form.is_valid():
            return self.show(request, token_form=form)
        data = form.cleaned_data
        # A new token has new windows: without this, deleting one and creating the next would be a way around them.
        said = "Too many new API tokens."
        throttle_page(self.user, "created-tokens", limit=MAX_TOKENS, window_s=HOUR_S, said=said)
        if not claim_form_token(self.user, data["once"]):
            messages.warning(request, "This form was sent before or is a day old. It made no further token.")
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
        messages.success(request, f"The token “{token.name}” was deleted. It works no longer.")
        return redirect("account")


account_password_view = sensitive_post_parameters()(AccountPasswordView.as_view())
