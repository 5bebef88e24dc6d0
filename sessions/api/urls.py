from django.urls import path

from sessions.api.agents import AgentsView, AgentView
from sessions.api.catalogue import ModelsView
from sessions.api.chats import AgentSessionsView, MessagesView, RoomSessionsView, SessionView
from sessions.api.events import TurnEventsView
from sessions.api.export import SessionExportView
from sessions.api.files import FileContentView, FilesView, FileTextView, FileView
from sessions.api.rooms import RoomAgentsView, RoomsView, RoomView
from sessions.api.search import SearchView
from sessions.api.summaries import SummariesView, SummaryView
from sessions.api.turn_again import SessionForkView, TurnRerunView, TurnRetryView
from sessions.api.turn_estimate import TurnEstimateView
from sessions.api.turns import TurnCancelView, TurnsView, TurnView

urlpatterns = [
    path("models", ModelsView.as_view(), name="api-models"),
    path("agents", AgentsView.as_view(), name="api-agents"),
    path("agents/<str:agent_id>", AgentView.as_view(), name="api-agent"),
    path("agents/<str:agent_id>/sessions", AgentSessionsView.as_view(), name="api-agent-sessions"),
    path("rooms", RoomsView.as_view(), name="api-rooms"),
    path("rooms/<str:room_id>", RoomView.as_view(), name="api-room"),
    path("rooms/<str:room_id>/agents", RoomAgentsView.as_view(), name="api-room-agents"),
    path("rooms/<str:room_id>/sessions", RoomSessionsView.as_view(), name="api-room-sessions"),
    path("sessions/<str:session_id>", SessionView.as_view(), name="api-session"),
    path("sessions/<str:session_id>/turns", TurnsView.as_view(), name="api-turns"),
    path("sessions/<str:session_id>/turns/estimate", TurnEstimateView.as_view(), name="api-turn-estimate"),
    path("sessions/<str:session_id>/export", SessionExportView.as_view(), name="api-session-export"),
    path("sessions/<str:session_id>/messages", MessagesView.as_view(), name="api-messages"),
    path("sessions/<str:session_id>/fork", SessionForkView.as_view(), name="api-session-fork"),
    path("sessions/<str:session_id>/summaries", SummariesView.as_view(), name="api-summaries"),
    path("summaries/<str:summary_id>", SummaryView.as_view(), name="api-summary"),
    path("files", FilesView.as_view(), name="api-files"),
    path("files/<str:file_id>", FileView.as_view(), name="api-file"),
    path("files/<str:file_id>/content", FileContentView.as_view(), name="api-file-content"),
    path("files/<str:file_id>/text", FileTextView.as_view(), name="api-file-text"),
    path("search", SearchView.as_view(), name="api-search"),
    path("turns/<str:turn_id>", TurnView.as_view(), name="api-turn"),
    path("turns/<str:turn_id>/events", TurnEventsView.as_view(), name="api-turn-events"),
    path("turns/<str:turn_id>/retry", TurnRetryView.as_view(), name="api-turn-retry"),
    path("turns/<str:turn_id>/rerun", TurnRerunView.as_view(), name="api-turn-rerun"),
    path("turns/<str:turn_id>/cancel", TurnCancelView.as_view(), name="api-turn-cancel"),
]
