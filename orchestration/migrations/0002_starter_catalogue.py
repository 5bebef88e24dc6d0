"""The initial providers and a list of current models for them.

Limits and abilities as of November 2026: OpenAI, "Models" (gpt-6.1-terra, gpt-6.1-sol, gpt-6-luna); Anthropic, "Models
overview" and the models' migration guides. None of these models accepts a temperature; all support a JSON schema.
"""

from django.db import migrations

PROVIDERS = [
    {"name": "openai", "kind": "openai", "key_env": "OPENAI_API_KEY", "base_url_env": "OPENAI_BASE_URL"},
    {
        "name": "anthropic",
        "kind": "anthropic",
        "key_env": "ANTHROPIC_API_KEY",
        "base_url_env": "ANTHROPIC_BASE_URL",
    },
    {"name": "demo", "kind": "demo"},
]
# Alias (also the provider's model id), provider, context window, maximum output, temperature.
MODELS = [
    ("gpt-6.1-terra", "openai", 1_050_000, 128_000, False),
    ("gpt-6.1-sol", "openai", 1_050_000, 128_000, False),
    ("gpt-6-luna", "openai", 1_050_000, 128_000, False),
    ("claude-sonnet-5-5", "anthropic", 1_000_000, 128_000, False),
    ("claude-opus-5-5", "anthropic", 1_000_000, 128_000, False),
    ("claude-haiku-5-5", "anthropic", 1_000_000, 128_000, False),
    ("demo", "demo", 32_768, 2_048, True),
]


def add(apps, schema_editor):
    Provider = apps.get_model("orchestration", "Provider")
    LlmModel = apps.get_model("orchestration", "LlmModel")
    providers = {fields["name"]: Provider.objects.create(**fields) for fields in PROVIDERS}
    for position, (alias, provider, context_window, max_output_tokens, temperature) in enumerate(MODELS, 1):
        LlmModel.objects.create(
            alias=alias,
            provider=providers[provider],
            model_id=alias,
            context_window=context_window,
            max_output_tokens=max_output_tokens,
            json_schema=True,
            temperature=temperature,
            position=position,
        )


def remove(apps, schema_editor):
    aliases = [alias for alias, *_ in MODELS]
    apps.get_model("orchestration", "LlmModel").objects.filter(alias__in=aliases).delete()
    names = [fields["name"] for fields in PROVIDERS]
    apps.get_model("orchestration", "Provider").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0001_initial")]

    operations = [migrations.RunPython(add, remove)]
