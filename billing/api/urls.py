from django.urls import path

from billing.api.budgets import AdminBudgetDetailView, AdminBudgetsView, BudgetsView
from billing.api.usage import AdminUsageExportView, AdminUsageSummaryView, UsageApiView, UsageSummaryView

urlpatterns = [
    path("usage", UsageApiView.as_view(), name="api-usage"),
    path("usage/summary", UsageSummaryView.as_view(), name="api-usage-summary"),
    path("admin/usage/summary", AdminUsageSummaryView.as_view(), name="api-admin-usage-summary"),
    path("admin/usage/export.csv", AdminUsageExportView.as_view(), name="api-admin-usage-export"),
    path("budgets", BudgetsView.as_view(), name="api-budgets"),
    path("admin/budgets", AdminBudgetsView.as_view(), name="api-admin-budgets"),
    path("admin/budgets/<str:budget_id>", AdminBudgetDetailView.as_view(), name="api-admin-budget"),
]
