"""API permissions: authentication, token scopes, staff permissions."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken
from web.errors import PantheonError


class SignedInWithScope(BasePermission):
    """Require `read` for reads and the view's `write_scope` for writes. A session cookie has all scopes.

    Methods that the view does not implement pass, so that they are answered 405 instead of 403.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        if (request.method or "").lower() not in implemented_methods(view):
            return True
        scope = ApiToken.Scope.READ if request.method in SAFE_METHODS else view.write_scope
        if isinstance(request.auth, ApiToken) and scope not in request.auth.scopes:
            raise PantheonError(
                "permission_denied", f"This token lacks the scope {scope!r}.", {"scope": str(scope)}
            )
        return True


class StaffWithPermission(BasePermission):
    """Require staff, the permission in the view's `staff_permissions` for the method, and the scope `admin`.

    HEAD needs the permission for GET. Others are refused before any row is read.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        if (request.method or "").lower() not in implemented_methods(view):
            return True
        needed = view.staff_permissions["GET" if request.method == "HEAD" else request.method]
        if not (user.is_staff and user.has_perm(needed)):
            raise PantheonError("permission_denied", view.refusal)
        if isinstance(request.auth, ApiToken) and ApiToken.Scope.ADMIN not in request.auth.scopes:
            raise PantheonError(
                "permission_denied", "This token lacks the scope 'admin'.", {"scope": "admin"}
            )
        return True


def implemented_methods(view: Any) -> set[str]:
    return {method for method in view.http_method_names if hasattr(view, method)}
