from django.urls import path

from accounts.api import MeView, TokensView, TokenView

urlpatterns = [
    path("auth/me", MeView.as_view(), name="api-me"),
    path("auth/tokens", TokensView.as_view(), name="api-tokens"),
    path("auth/tokens/<str:token_id>", TokenView.as_view(), name="api-token"),
]
