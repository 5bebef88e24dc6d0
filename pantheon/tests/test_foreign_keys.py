"""Our app `sessions` is separate from Django's: another label, and no foreign keys to its table."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session as CookieSession

from sessions.models import ChatSession

OURS = ("accounts", "orchestration", "billing", "chat_sessions")


def our_relations():
    for label in OURS:
        for model in apps.get_app_config(label).get_models(include_auto_created=True):
            for field in model._meta.get_fields():
                if field.is_relation:
                    yield model, field


def test_our_sessions_have_a_label_of_their_own():
    assert apps.get_app_config("chat_sessions").name == "sessions"
    assert apps.get_app_config("sessions").name == "django.contrib.sessions"
    assert ChatSession._meta.label == "chat_sessions.ChatSession"


def test_no_model_of_ours_refers_to_the_cookie_table():
    relations = list(our_relations())
    assert (ChatSession, ChatSession._meta.get_field("owner")) in relations  # the list is not empty
    assert [(model, field.name) for model, field in relations if field.related_model is CookieSession] == []


def test_the_ledger_refers_to_nothing_but_itself_and_the_catalogue():
    related = {
        field.related_model._meta.label
        for model, field in our_relations()
        if model._meta.app_label == "billing" and not field.auto_created
    }
    assert {label for label in related if not label.startswith("billing.")} == {"orchestration.LlmModel"}


def test_people_are_ours():
    assert settings.AUTH_USER_MODEL == "accounts.User"
