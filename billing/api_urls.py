from django.urls import path

from billing.api import AdminUsageExportView, AdminUsageSummaryView, UsageSummaryView, UsageView

urlpatterns = [
    path("usage", UsageView.as_view(), name="api-usage"),
    path("usage/summary", UsageSummaryView.as_view(), name="api-usage-summary"),
    path("admin/usage/summary", AdminUsageSummaryView.as_view(), name="api-admin-usage-summary"),
    path("admin/usage/export.csv", AdminUsageExportView.as_view(), name="api-admin-usage-export"),
]
