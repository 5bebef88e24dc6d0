"""All of the initial models take images.

As of November 2026: OpenAI, "Models" (gpt-6.1-terra, gpt-6.1-sol, gpt-6-luna); Anthropic, "Models overview". The demo
model says which images it was given.
"""

from django.db import migrations

TAKING_IMAGES = {
    "gpt-6.1-terra": "openai",
    "gpt-6.1-sol": "openai",
    "gpt-6-luna": "openai",
    "claude-sonnet-5-5": "anthropic",
    "claude-opus-5-5": "anthropic",
    "claude-haiku-5-5": "anthropic",
    "demo": "demo",
}


def fill(apps, schema_editor):
    LlmModel = apps.get_model("orchestration", "LlmModel")
    for alias, provider in TAKING_IMAGES.items():
        LlmModel.objects.filter(alias=alias, model_id=alias, provider__name=provider).update(vision=True)


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0011_vision")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
