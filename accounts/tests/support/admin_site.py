"""Helpers for tests of the administration."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User


@pytest.fixture(autouse=True)
def static_files_as_they_are(settings: Any) -> None:
    """Static files are not collected in tests, so there is no manifest for their names."""
    backend = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": backend}


def page(model: Any, name: str, *args: Any) -> str:
    """Return the URL of a model's admin page: `changelist`, `add`, `change`, `delete`, `history`."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def superuser() -> Client:
    """Return a browser signed in as an administrator."""
    return signed_in(User.objects.create_superuser("root@example.org"))
