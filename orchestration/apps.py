from django.apps import AppConfig


class OrchestrationConfig(AppConfig):
    name = "orchestration"
    verbose_name = "Model catalogue"
    default_auto_field = "django.db.models.BigAutoField"
