"""The reasoning efforts that the initial models offer.

As of November 2026: OpenAI, "Models" (gpt-6.1-terra, gpt-6.1-sol, gpt-6-luna); Anthropic, "Effort" and the models'
migration guides. Thinking cannot be switched off for gpt-6.1-sol and claude-opus-5-5.
"""

from django.db import migrations

ALWAYS = ["low", "medium", "high", "xhigh", "max"]
SWITCHED = ["none", *ALWAYS]
EFFORTS = {
    "gpt-6.1-terra": ("openai", SWITCHED),
    "gpt-6.1-sol": ("openai", ALWAYS),
    "gpt-6-luna": ("openai", SWITCHED),
    "claude-sonnet-5-5": ("anthropic", SWITCHED),
    "claude-opus-5-5": ("anthropic", ALWAYS),
    "claude-haiku-5-5": ("anthropic", SWITCHED),
}


def fill(apps, schema_editor):
    LlmModel = apps.get_model("orchestration", "LlmModel")
    for model in LlmModel.objects.filter(alias__in=EFFORTS).select_related("provider"):
        provider, efforts = EFFORTS[model.alias]
        if model.provider.name == provider and model.model_id == model.alias and not model.reasoning_efforts:
            model.reasoning_efforts = efforts
            model.save(update_fields=["reasoning_efforts"])


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0008_reasoning_effort")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
