from django.urls import path

from sessions.api.openai_compatible.views import CompatibleModelsView, CompatibleModelView, CompletionsView

urlpatterns = [
    path("models", CompatibleModelsView.as_view(), name="openai-models"),
    path("models/<str:model>", CompatibleModelView.as_view(), name="openai-model"),
    path("chat/completions", CompletionsView.as_view(), name="openai-chat-completions"),
]
