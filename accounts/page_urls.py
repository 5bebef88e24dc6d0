from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts.pages import SignInView, invitation_view, setup_view, sign_up_view

urlpatterns = [
    path("setup/<str:secret>", setup_view, name="setup"),
    path("invite/<str:secret>", invitation_view, name="invitation"),
    path("sign-up", sign_up_view, name="sign-up"),
    path("sign-in", SignInView.as_view(), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
]
