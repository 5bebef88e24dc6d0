from django.contrib import admin
from django.urls import path

from billing.admin import costs

urlpatterns = [
    path("costs/", admin.site.admin_view(costs.CostsView.as_view()), name="costs"),
    path("costs/shown.csv", admin.site.admin_view(costs.CostsCsvView.as_view()), name="costs-csv"),
    path("costs/events.csv", admin.site.admin_view(costs.EventsCsvView.as_view()), name="costs-events-csv"),
    path("costs/teams/", admin.site.admin_view(costs.ChargebackView.as_view()), name="costs-teams"),
    path("costs/teams.csv", admin.site.admin_view(costs.ChargebackCsvView.as_view()), name="costs-teams-csv"),
]
