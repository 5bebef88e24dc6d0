from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts.pages.account import (
    AccountNameView,
    AccountTokenDeleteView,
    AccountTokensView,
    AccountView,
    account_password_view,
)
from accounts.pages.passwords import ForgotPasswordView, reset_password_view
from accounts.pages.sign_in import SignInView, invitation_view, setup_view, sign_up_view

urlpatterns = [
    path("setup/<str:secret>", setup_view, name="setup"),
    path("invite/<str:secret>", invitation_view, name="invitation"),
    path("sign-up", sign_up_view, name="sign-up"),
    path("sign-in", SignInView.as_view(), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
    path("forgot-password", ForgotPasswordView.as_view(), name="forgot-password"),
    path("reset-password/<str:user_id>/<str:secret>", reset_password_view, name="reset-password"),
    path("account", AccountView.as_view(), name="account"),
    path("account/name", AccountNameView.as_view(), name="account-name"),
    path("account/password", account_password_view, name="account-password"),
    path("account/tokens", AccountTokensView.as_view(), name="account-tokens"),
    path(
        "account/tokens/<str:token_id>/delete", AccountTokenDeleteView.as_view(), name="account-token-delete"
    ),
]
