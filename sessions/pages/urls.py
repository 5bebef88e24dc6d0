from django.urls import path

from sessions.pages.agents import AgentChatView, AgentDeleteView, AgentNewView, AgentPage
from sessions.pages.conversation import (
    OlderTurnsView,
    SessionDeleteView,
    SessionPage,
    SessionRenameView,
    SessionTurnView,
)
from sessions.pages.files import FileDeleteView, FilesPage
from sessions.pages.home import HomeView, StarterView
from sessions.pages.mine import (
    AccountExportView,
    AgentRestoreView,
    DeletedView,
    RoomRestoreView,
    SessionRestoreView,
)
from sessions.pages.palette import PaletteView
from sessions.pages.providers import ProviderTestView, WelcomeView
from sessions.pages.rooms import (
    RoomDeleteView,
    RoomEditView,
    RoomModeView,
    RoomNewView,
    RoomPage,
    RoomSessionNewView,
)
from sessions.pages.search import SearchPage
from sessions.pages.sidebar import (
    SessionMenuView,
    SessionPinView,
    SessionSeenView,
    SidebarRoomsView,
    SidebarSessionsView,
)
from sessions.pages.summaries import SessionSummaryView

urlpatterns = [
    path("", HomeView.as_view(), name="home"),
    path("starter", StarterView.as_view(), name="starter"),
    path("welcome", WelcomeView.as_view(), name="welcome"),
    path("welcome/<str:provider_id>/test", ProviderTestView.as_view(), name="provider-test"),
    path("palette", PaletteView.as_view(), name="palette"),
    path("search", SearchPage.as_view(), name="search"),
    path("agents/new", AgentNewView.as_view(), name="agent-new"),
    path("agents/<str:agent_id>", AgentPage.as_view(), name="agent"),
    path("agents/<str:agent_id>/delete", AgentDeleteView.as_view(), name="agent-delete"),
    path("agents/<str:agent_id>/restore", AgentRestoreView.as_view(), name="agent-restore"),
    path("agents/<str:agent_id>/chat", AgentChatView.as_view(), name="agent-chat"),
    path("rooms/new", RoomNewView.as_view(), name="room-new"),
    path("rooms/<str:room_id>", RoomPage.as_view(), name="room"),
    path("rooms/<str:room_id>/edit", RoomEditView.as_view(), name="room-edit"),
    path("rooms/<str:room_id>/mode", RoomModeView.as_view(), name="room-mode"),
    path("rooms/<str:room_id>/delete", RoomDeleteView.as_view(), name="room-delete"),
    path("rooms/<str:room_id>/restore", RoomRestoreView.as_view(), name="room-restore"),
    path("rooms/<str:room_id>/sessions/new", RoomSessionNewView.as_view(), name="room-session-new"),
    path("sessions/<str:session_id>", SessionPage.as_view(), name="session"),
    path("sessions/<str:session_id>/older", OlderTurnsView.as_view(), name="session-older"),
    path("sessions/<str:session_id>/turns/<str:turn_id>", SessionTurnView.as_view(), name="session-turn"),
    path("sessions/<str:session_id>/summary", SessionSummaryView.as_view(), name="session-summary"),
    path("sessions/<str:session_id>/menu", SessionMenuView.as_view(), name="session-menu"),
    path("sessions/<str:session_id>/pin", SessionPinView.as_view(), name="session-pin"),
    path("sessions/<str:session_id>/seen", SessionSeenView.as_view(), name="session-seen"),
    path("sidebar/sessions", SidebarSessionsView.as_view(), name="sidebar-sessions"),
    path("sidebar/rooms", SidebarRoomsView.as_view(), name="sidebar-rooms"),
    path("sessions/<str:session_id>/rename", SessionRenameView.as_view(), name="session-rename"),
    path("sessions/<str:session_id>/delete", SessionDeleteView.as_view(), name="session-delete"),
    path("sessions/<str:session_id>/restore", SessionRestoreView.as_view(), name="session-restore"),
    path("account/export", AccountExportView.as_view(), name="account-export"),
    path("files", FilesPage.as_view(), name="files"),
    path("files/<str:file_id>/delete", FileDeleteView.as_view(), name="file-delete"),
    path("deleted", DeletedView.as_view(), name="deleted"),
]
