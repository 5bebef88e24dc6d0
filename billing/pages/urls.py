from django.urls import path

from billing.pages.usage import UsageView

urlpatterns = [path("usage", UsageView.as_view(), name="usage")]
