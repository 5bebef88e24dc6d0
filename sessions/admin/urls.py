from django.contrib import admin
from django.urls import path

from sessions.admin.ledger_audit import LedgerAuditPage

urlpatterns = [
    path("ledger-audit/", admin.site.admin_view(LedgerAuditPage.as_view()), name="ledger-audit"),
]
