"""What tests of the administration share."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User


@pytest.fixture(autouse=True)
def static_files_as_they_are(settings: Any) -> None:
    """Nothing is collected in tests, so there is no manifest to look names up in."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}


def page(model: Any, name: str, *args: Any) -> str:
    """Return the address of a model's page: `changelist`, `add`, `change`, `delete`, `history`."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def superuser() -> Client:
    """Return a browser in which an administrator is signed in."""
    return signed_in(User.objects.create_superuser("root@example.org"))
