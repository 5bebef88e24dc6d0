from django.urls import path

from sessions.api.openai_compatible.views import CompatibleModelsView, CompletionsView

urlpatterns = [
    path("models", CompatibleModelsView.as_view(), name="openai-models"),
    path("chat/completions", CompletionsView.as_view(), name="openai-chat-completions"),
]
