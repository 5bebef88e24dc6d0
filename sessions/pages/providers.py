"""Pages: providers and their API keys, also shown to the administrator after set-up."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.pages.base import PageView
from accounts.pages.limits import throttle_page
from orchestration.models import Provider
from orchestration.probing import provider_probe
from sessions.access import access_provider, check_providers
from sessions.selectors.pages import default_alias

TESTS_PER_MINUTE = 20


class ProvidersPage(PageView):
    """Which providers have an API key, and how to add one."""

    def show(self, request: HttpRequest, **context: Any) -> HttpResponse:
        shown = {
            "providers": list(Provider.objects.filter(enabled=True)),
            "default_alias": default_alias(),
        }
        return render(request, "pages/welcome.html", {**shown, **context})


class WelcomeView(ProvidersPage):
    """The page an administrator sees after set-up."""

    def get(self, request: HttpRequest) -> HttpResponse:
        check_providers(self.user)
        return self.show(request)


class ProviderTestView(ProvidersPage):
    """Test whether a provider accepts its API key, and show the page with the result."""

    def get(self, request: HttpRequest, provider_id: str) -> HttpResponse:
        access_provider(self.user, provider_id)
        return redirect("welcome")  # the result was shown here: it is not stored

    def post(self, request: HttpRequest, provider_id: str) -> HttpResponse:
        provider = access_provider(self.user, provider_id)
        reason = f"Providers were tested {TESTS_PER_MINUTE} times just now."
        throttle_page(self.user, "provider-test", limit=TESTS_PER_MINUTE, window_s=60, reason=reason)
        return self.show(request, tested=provider, result=provider_probe(provider))
