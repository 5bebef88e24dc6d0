from django.contrib import admin
from django.urls import path

from sessions.admin.ledger_audit import LedgerAuditPage
from sessions.admin.reading import ReadFilePage, ReadSessionPage, ReadTurnPage

urlpatterns = [
    path("ledger-audit/", admin.site.admin_view(LedgerAuditPage.as_view()), name="ledger-audit"),
    path("read/turns/<str:turn_id>/", admin.site.admin_view(ReadTurnPage.as_view()), name="read-turn"),
    path("read/files/<str:file_id>/", admin.site.admin_view(ReadFilePage.as_view()), name="read-file"),
    path(
        "read/sessions/<str:session_id>/",
        admin.site.admin_view(ReadSessionPage.as_view()),
        name="read-session",
    ),
]
