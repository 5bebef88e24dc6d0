from django.urls import path

from billing.pages.usage import UsagePage

urlpatterns = [path("usage", UsagePage.as_view(), name="usage")]
