"""Pages: the set-up link that makes the administrator, sign in and out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from accounts.models import User
from accounts.page_base import PageView, add_errors, form_page
from accounts.services import administrator_create, setup_link_is_open
from pantheon.errors import NotFound, ValidationFailed


class SignInForm(AuthenticationForm):
    username = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )

    error_messages = {
        "invalid_login": "This e-mail address and password do not belong together. Check both and try again.",
        "inactive": "This account is suspended. Ask your administrator.",
    }


class SignInView(LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "nobody_yet": not User.objects.exists()}


class SetupForm(forms.Form):
    name = forms.CharField(
        label="Your name",
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
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


class SetupView(PageView):
    """Whoever holds the one-time link becomes the administrator; to anybody else the page does not exist."""

    sign_in_needed = False

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        refuse_closed(secret)
        return form_page(request, "accounts/setup.html", SetupForm())

    def post(self, request: HttpRequest, secret: str) -> HttpResponse:
        refuse_closed(secret)
        form = SetupForm(request.POST)
        if not form.is_valid():
            return form_page(request, "accounts/setup.html", form)
        data = form.cleaned_data
        try:
            user = administrator_create(
                setup_secret=secret, email=data["email"], name=data["name"], password=data["password"]
            )
        except ValidationFailed as error:
            add_errors(form, error)
            return form_page(request, "accounts/setup.html", form)
        login(request, user)
        return redirect("welcome")


setup_view = sensitive_post_parameters()(SetupView.as_view())


def refuse_closed(secret: str) -> None:
    """Raise NotFound for a link that has been used or replaced."""
    if not setup_link_is_open(secret):
        raise NotFound("This set-up link has been used or replaced. If you have an account, sign in.")
