from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts.pages import SignInView, setup_view

urlpatterns = [
    path("setup/<str:secret>", setup_view, name="setup"),
    path("sign-in", SignInView.as_view(), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
]
