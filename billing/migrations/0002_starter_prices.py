"""What the models of the starter catalogue cost, in pico-USD per token (USD 1 per million tokens = 1,000,000).

From the data of genai-prices 0.2.3. A tier there begins above its start, here at its first total of input tokens. Its
cache-write rate is that of 5 minutes; where it knows no rate for an hour, that of 5 minutes stands.
"""

import datetime as dt

from django.db import migrations

SOURCE = "genai-prices 0.2.3"
EFFECTIVE_FROM = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CHECKED_AT = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)

# Alias, first input token of the tier, then input, cache read, cache write 5 minutes, cache write 1 hour, output.
PRICES = [
    ("gpt-6.1-terra", 0, 1_000_000, 50_000, 1_250_000, 1_250_000, 5_000_000),
    ("gpt-6.1-terra", 272_001, 2_000_000, 100_000, 2_500_000, 2_500_000, 7_500_000),
    ("gpt-6.1-sol", 0, 2_000_000, 100_000, 2_500_000, 2_500_000, 10_000_000),
    ("gpt-6.1-sol", 272_001, 4_000_000, 200_000, 5_000_000, 5_000_000, 15_000_000),
    ("gpt-6-luna", 0, 100_000, 10_000, 125_000, 125_000, 500_000),
    ("gpt-6-luna", 272_001, 200_000, 20_000, 250_000, 250_000, 750_000),
    ("claude-sonnet-5-5", 0, 2_000_000, 100_000, 2_500_000, 4_000_000, 10_000_000),
    ("claude-opus-5-5", 0, 4_000_000, 200_000, 5_000_000, 8_000_000, 20_000_000),
    ("claude-haiku-5-5", 0, 100_000, 10_000, 125_000, 200_000, 500_000),
    ("claude-haiku-5-5", 100_001, 500_000, 50_000, 625_000, 1_000_000, 2_500_000),
]
DEMO = ("demo", 0, 0, 0, 0, 0, 0)


def add(apps, schema_editor):
    LlmModel = apps.get_model("orchestration", "LlmModel")
    ModelPrice = apps.get_model("billing", "ModelPrice")
    models = {model.alias: model for model in LlmModel.objects.all()}
    for alias, min_input_tokens, *rates in [*PRICES, DEMO]:
        if alias not in models:
            continue
        input_pico, cache_read_pico, cache_write_5m_pico, cache_write_1h_pico, output_pico = rates
        ModelPrice.objects.create(
            model=models[alias],
            effective_from=EFFECTIVE_FROM,
            min_input_tokens=min_input_tokens,
            input_pico=input_pico,
            cache_read_pico=cache_read_pico,
            cache_write_5m_pico=cache_write_5m_pico,
            cache_write_1h_pico=cache_write_1h_pico,
            output_pico=output_pico,
            source="built-in demo" if alias == "demo" else SOURCE,
            checked_at=CHECKED_AT,
        )


def remove(apps, schema_editor):
    ModelPrice = apps.get_model("billing", "ModelPrice")
    aliases = {alias for alias, *_ in [*PRICES, DEMO]}
    ModelPrice.objects.filter(
        model__alias__in=aliases, effective_from=EFFECTIVE_FROM, checked_at=CHECKED_AT
    ).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0001_initial"),
        ("orchestration", "0002_starter_catalogue"),
    ]

    operations = [migrations.RunPython(add, remove)]
