from django.urls import path

from accounts.api.invitations import InvitationsView, InvitationView
from accounts.api.me import MeView, TokensView, TokenView
from accounts.api.staff import UserReactivateView, UserSuspendView

urlpatterns = [
    path("auth/me", MeView.as_view(), name="api-me"),
    path("auth/tokens", TokensView.as_view(), name="api-tokens"),
    path("auth/tokens/<str:token_id>", TokenView.as_view(), name="api-token"),
    path("admin/invitations", InvitationsView.as_view(), name="api-admin-invitations"),
    path("admin/invitations/<str:invitation_id>", InvitationView.as_view(), name="api-admin-invitation"),
    path("admin/users/<str:user_id>/suspend", UserSuspendView.as_view(), name="api-admin-user-suspend"),
    path(
        "admin/users/<str:user_id>/reactivate", UserReactivateView.as_view(), name="api-admin-user-reactivate"
    ),
]
