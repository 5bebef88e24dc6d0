"""Fill the totals from the daily rollup of an existing ledger.

The SQL of `billing.services.rollup` as it is with this migration, which has to stay as it is.
"""

from itertools import combinations

from django.db import migrations

ZERO = {"postgresql": "'00000000-0000-0000-0000-000000000000'::uuid", "sqlite": f"'{'0' * 32}'"}
MONDAY = {
    "postgresql": "(day - (EXTRACT(isodow FROM day)::integer - 1))",
    "sqlite": "date(day, 'weekday 0', '-6 days')",
}
KEY = ("team_id", "user_id", "room_id", "agent_id", "model_id", "purpose", "mode")
FEW, MANY = ("team_id", "model_id", "purpose", "mode"), ("user_id", "room_id", "agent_id")
SUMS = (
    *("calls", "input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
    *("output_tokens", "reasoning_tokens", "cost_pico", "estimated_cost_pico", "unpriced_calls"),
)
SHORT = {name: name.removesuffix("_id") for name in KEY}
CUTS = {
    "total": (),
    **{SHORT[name]: (name,) for name in FEW},
    **{SHORT[name]: ("team_id", name) for name in MANY},
    **{"+".join(SHORT[name] for name in pair): pair for pair in combinations(FEW, 2)},
    "few": FEW,
    **{f"no {SHORT[none]}+{SHORT[name]}": (none, name) for none in ("agent_id", "room_id") for name in FEW},
    **{f"week:{SHORT[name]}": ("team_id", name) for name in MANY},
    "week:all": KEY,
}


def fill(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    if vendor == "postgresql":
        # Whoever still runs the release before waits to add to the days, and is not summed by half.
        schema_editor.execute("LOCK TABLE billing_dailyusage IN SHARE MODE", params=None)
    for cut, kept in CUTS.items():
        blank = {name: ZERO[vendor] if name.endswith("_id") else "''" for name in KEY}
        day = MONDAY[vendor] if cut.startswith("week:") else "day"
        columns = ", ".join(name if name in kept else blank[name] for name in KEY)
        sums = ", ".join(f"SUM({name})" for name in SUMS)
        grouped = ", ".join((day, *kept))
        where = f"WHERE {kept[0]} = {ZERO[vendor]}" if cut.startswith("no ") else ""
        schema_editor.execute(
            f"INSERT INTO billing_usagetotal (cut, day, {', '.join(KEY)}, {', '.join(SUMS)}, orchestration_cost_pico) "
            f"SELECT '{cut}', {day}, {columns}, {sums}, "
            f"SUM(CASE WHEN purpose <> 'reply' THEN cost_pico ELSE 0 END) "
            f"FROM billing_dailyusage {where} GROUP BY {grouped} ORDER BY {day}",
            params=None,
        )


def empty(apps, schema_editor):
    schema_editor.execute("DELETE FROM billing_usagetotal", params=None)


class Migration(migrations.Migration):
    dependencies = [("billing", "0006_usage_totals")]

    operations = [migrations.RunPython(fill, empty)]
