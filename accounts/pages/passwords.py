"""Pages for a forgotten password: request a reset link by email, and set a new password with a link."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_post_parameters

from accounts.pages.base import PageView, add_errors, form_page
from accounts.pages.devices import device_of, device_remember
from accounts.pages.forms import NewPasswordForm, tokens_sentence
from accounts.pages.sign_in_limits import attempt_count
from accounts.services.passwords import password_link_mail, password_link_user, password_reset
from accounts.services.people import token_names
from web.addresses import sends_mail
from web.errors import ValidationFailed


class ForgottenForm(forms.Form):
    email = forms.EmailField(
        label="Email",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )


class ForgotPasswordView(PageView):
    """Request a reset link. The response does not reveal whether the address has an account."""

    sign_in_needed = False

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(request, ForgottenForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ForgottenForm(request.POST)
        if not (sends_mail() and form.is_valid()):
            return self.show(request, form)
        email = form.cleaned_data["email"]
        attempt_count(request, purpose="link", email=email)
        password_link_mail(email=email, device=device_of(request, email))
        return self.show(request, form, email=email)

    def show(self, request: HttpRequest, form: forms.Form, email: str = "") -> HttpResponse:
        return form_page(request, "accounts/forgot_password.html", form, email=email, mails=sends_mail())


class ResetPasswordView(PageView):
    """Set a new password with a reset link; 404 without a valid one."""

    sign_in_needed = False

    def get(self, request: HttpRequest, user_id: str, secret: str) -> HttpResponse:
        user = password_link_user(user_id, secret)
        return form_page(request, "accounts/reset_password.html", NewPasswordForm(user), person=user)

    def post(self, request: HttpRequest, user_id: str, secret: str) -> HttpResponse:
        user = password_link_user(user_id, secret)
        form, names = NewPasswordForm(user, request.POST), token_names(user)
        if form.is_valid():
            try:
                user = password_reset(
                    user_id=user_id,
                    secret=secret,
                    password=form.cleaned_data["password"],
                    delete_tokens=form.deletes_tokens,
                )
            except ValidationFailed as error:
                add_errors(form, error)
            else:
                tokens = tokens_sentence(names, deleted=form.deletes_tokens)
                messages.success(request, f"Your password was changed. Sign in with it.{tokens}")
                response = redirect("sign-in")
                device_remember(
                    request, response, user
                )  # other people's failed attempts must not lock it out now
                return response
        return form_page(request, "accounts/reset_password.html", form, person=user)


reset_password_view = sensitive_post_parameters()(ResetPasswordView.as_view())
