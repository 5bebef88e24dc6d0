"""Fold the titles and messages that exist, a batch at a time: an interrupted run continues where it stopped."""

import uuid

from django.db import migrations
from django.db.models.functions import Left

from sessions.search_text import SEARCHED_CHARS, fold

BATCH_SIZE = 100


def fill(apps, schema_editor):
    for name, field in (("ChatSession", "title"), ("Message", "text")):
        model, last = apps.get_model("chat_sessions", name), uuid.UUID(int=0)
        rows = model.objects.filter(search_text="").exclude(**{field: ""}).order_by("pk").only("pk")
        rows = rows.annotate(beginning=Left(field, SEARCHED_CHARS))
        while batch := list(rows.filter(pk__gt=last)[:BATCH_SIZE]):
            for row in batch:
                row.search_text = fold(row.beginning)
            model.objects.bulk_update(batch, ["search_text"])
            last = batch[-1].pk


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("chat_sessions", "0015_search_text")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
