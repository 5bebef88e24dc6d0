from django.apps import AppConfig
from django.core import checks


class PantheonConfig(AppConfig):
    name = "pantheon"
    label = "pantheon"
    default = True

    def ready(self) -> None:
        from pantheon.config.checks import SETTINGS_CHECKS, check_public_address
        from pantheon.config.database_checks import check_default_model, check_key_variables, check_pooler

        for check in SETTINGS_CHECKS:
            checks.register(check)
        checks.register(check_public_address, checks.Tags.security, deploy=True)
        checks.register(check_default_model, checks.Tags.database)
        checks.register(check_key_variables, checks.Tags.database)
        checks.register(check_pooler, checks.Tags.database)
