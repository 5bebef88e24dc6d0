"""Pages to sign in, and to create an account: set-up link, invitation, open sign-up."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from accounts.access import asker
from accounts.models import Invitation, User
from accounts.pages.base import PageView, add_errors, form_page
from accounts.pages.devices import device_remember
from accounts.pages.forms import ConfirmedPasswordForm
from accounts.pages.sign_in_limits import attempt_count, reset_attempts
from accounts.services.invitations import invitation_accept, invitation_of
from accounts.services.people import administrator_create, setup_link_is_open, user_sign_up
from web.error_rendering import error_page
from web.errors import NotFound, PantheonError, ValidationFailed


class SignInForm(AuthenticationForm):
    username = forms.EmailField(
        label="Email", widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )

    error_messages = {
        "invalid_login": "Wrong email address or password. Check both and try again.",
        "inactive": "This account is suspended. Ask your administrator.",
    }

    def clean(self) -> dict[str, Any]:
        """Check the password unless there were too many attempts. Raises `rate_limited`."""
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password:
            assert self.request is not None
            counters = attempt_count(self.request, purpose="password", email=email)
            super().clean()
            reset_attempts(counters)
        return self.cleaned_data


class SignInView(LoginView):
    template_name = "accounts/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except PantheonError as error:
            return error_page(request, error)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        device_remember(self.request, response, asker(self.request))
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            "nobody_yet": not User.objects.exists(),
            "sign_up": settings.PANTHEON_SIGNUP == "open",
        }


class AccountForm(ConfirmedPasswordForm):
    """Name, email and password of a new account."""

    name = forms.CharField(
        label="Your name",
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    email = forms.EmailField(
        label="Email", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )


def sign_in_and_redirect(request: HttpRequest, user: User, url_name: str) -> HttpResponse:
    """Sign in to a new account and redirect to its first page."""
    login(request, user)
    response = redirect(url_name)
    device_remember(request, response, user)
    return response


class SetupView(PageView):
    """Create the first administrator with the one-time set-up link; 404 without a valid one."""

    sign_in_needed = False

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        require_open_link(secret)
        return form_page(request, "accounts/setup.html", AccountForm())

    def post(self, request: HttpRequest, secret: str) -> HttpResponse:
        require_open_link(secret)
        form = AccountForm(request.POST)
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
        return sign_in_and_redirect(request, user, "welcome")


class InvitedForm(AccountForm):
    """The form without email: the invitation has the address."""

    email = None  # type: ignore[assignment]


class InvitationPage(PageView):
    """Create an account with an open invitation; 404 without one."""

    sign_in_needed = False

    def get(self, request: HttpRequest, secret: str) -> HttpResponse:
        return self.show(request, InvitedForm(), invitation_of(secret))

    def post(self, request: HttpRequest, secret: str) -> HttpResponse:
        invitation, form = invitation_of(secret), InvitedForm(request.POST)
        if not form.is_valid():
            return self.show(request, form, invitation)
        data = form.cleaned_data
        try:
            user = invitation_accept(secret=secret, name=data["name"], password=data["password"])
        except ValidationFailed as error:
            add_errors(form, error)
            return self.show(request, form, invitation)
        return sign_in_and_redirect(request, user, "home")

    def show(self, request: HttpRequest, form: forms.Form, invitation: Invitation) -> HttpResponse:
        return form_page(request, "accounts/invitation.html", form, invitation=invitation)


class SignUpView(PageView):
    """Create an account without an invitation, if PANTHEON_SIGNUP is open; 404 otherwise."""

    sign_in_needed = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if settings.PANTHEON_SIGNUP != "open":
            return error_page(request, NotFound("Accounts are by invitation only. Ask your administrator."))
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        return form_page(request, "accounts/sign_up.html", AccountForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = AccountForm(request.POST)
        if not form.is_valid():
            return form_page(request, "accounts/sign_up.html", form)
        # The form reveals which addresses have an account, so this limits how many one can try.
        attempt_count(request, purpose="sign-up", email=None)
        data = form.cleaned_data
        try:
            user = user_sign_up(email=data["email"], name=data["name"], password=data["password"])
        except ValidationFailed as error:
            add_errors(form, error)
            return form_page(request, "accounts/sign_up.html", form)
        return sign_in_and_redirect(request, user, "home")


setup_view = sensitive_post_parameters()(SetupView.as_view())
invitation_view = sensitive_post_parameters()(InvitationPage.as_view())
sign_up_view = sensitive_post_parameters()(SignUpView.as_view())


def require_open_link(secret: str) -> None:
    """Raise NotFound if the link has been used or replaced."""
    if not setup_link_is_open(secret):
        raise NotFound("This setup link has been used or replaced. If you have an account, sign in.")
