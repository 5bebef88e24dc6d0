from django.contrib import admin
from django.urls import include, path

from pantheon.api_schema import DocsView, SchemaView
from pantheon.http.health import HealthView, ReadyView
from pantheon.http.metrics import MetricsView

urlpatterns = [
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("api/v1/health", HealthView.as_view(), name="api-health"),
    path("api/v1/ready", ReadyView.as_view(), name="api-ready"),
    path("api/v1/schema", SchemaView.as_view(), name="api-schema"),
    path("api/v1/docs", DocsView.as_view(), name="api-docs"),
    path("api/v1/", include("accounts.api.urls")),
    path("api/v1/", include("billing.api.urls")),
    path("api/v1/", include("sessions.api.urls")),
    path("v1/", include("sessions.api.openai_compatible.urls")),
    path("admin/", include("billing.admin.urls")),
    path("admin/", include("sessions.admin.urls")),
    path("admin/", admin.site.urls),
    path("", include("accounts.pages.urls")),
    path("", include("billing.pages.urls")),
    path("", include("sessions.pages.urls")),
]

handler400 = "pantheon.http.error_pages.bad_request"
handler403 = "pantheon.http.error_pages.permission_denied"
handler404 = "pantheon.http.error_pages.not_found"
handler500 = "pantheon.http.error_pages.server_error"
