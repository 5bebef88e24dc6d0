"""Base class of pages, and how pages show errors."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.utils.cache import add_never_cache_headers
from django.views import View

from accounts.models import User
from accounts.pages.limits import page_count
from web.error_rendering import error_page
from web.errors import PantheonError, ValidationFailed


def form_page(request: HttpRequest, template: str, form: forms.Form, **context: Any) -> HttpResponse:
    """Render a form with its values and errors."""
    return render(request, template, {"form": form, **context})


def add_errors(form: forms.BaseForm, error: ValidationFailed) -> None:
    """Add a service's validation errors to the form's fields."""
    for field, messages in error.details["fields"].items():
        for message in messages:
            form.add_error(field if field in form.fields else None, message)


class PageView(View):
    """Base of every page: renders a PantheonError as the error page, forbids caching, and limits pages per minute."""

    sign_in_needed = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if self.sign_in_needed and not request.user.is_authenticated:
            # Only a GET can be repeated after signing in.
            return redirect_to_login(
                request.get_full_path() if request.method == "GET" else resolve_url("home")
            )
        try:
            if request.user.is_authenticated:
                page_count(self.user)
            response = super().dispatch(request, *args, **kwargs)
        except PantheonError as error:
            return error_page(request, error)
        add_never_cache_headers(response)
        return response

    @property
    def user(self) -> User:
        """The signed-in user."""
        assert isinstance(self.request.user, User)
        return self.request.user
