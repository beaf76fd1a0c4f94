"""As whom a member of the staff may try out a server.

Nobody gets rights by it that they do not have: who is not a superuser may act as others only with a
permission for it, and only as users all of whose rights they have as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext as _

from ..authentication import principal_of
from ..permissions import has_every_right_of
from ..server.access import ANONYMOUS, Principal

USE: Final = "django_mcp.use_inspector"
AS_OTHERS: Final = "django_mcp.inspect_as_others"
#: What stands for nobody; no user can be called so, for want of a name.
NOBODY: Final = ""


class NotAllowed(Exception):
    """There is no such user, or none whom this one may act as: the words are the same."""

    def __init__(self, username: str) -> None:
        said = _("There is no user %(name)r as whom you may act.")
        super().__init__(said % {"name": username})


def may_inspect(staff: Any) -> bool:
    """True for who may use the inspector at all."""
    return bool(staff.is_active and staff.is_staff and staff.has_perm(USE))


def principal_for(staff: Any, username: str) -> Principal:
    """Whom `staff` acts as: the user of this name, or nobody; raises NotAllowed.

    It says on whose behalf it acts, as the client its credential was issued to.
    """
    client = f"inspector:{staff.pk}"
    if username == NOBODY:
        return replace(ANONYMOUS, client_id=client)
    try:
        user = get_user_model()._default_manager.get_by_natural_key(username)
    except ObjectDoesNotExist:
        raise NotAllowed(username) from None
    if not may_act_as(staff, user):
        raise NotAllowed(username)
    return replace(principal_of(user), client_id=client)


def may_act_as(staff: Any, user: Any) -> bool:
    """True where `staff` may act as `user`."""
    if not user.is_active or not has_every_right_of(staff, user):
        return False
    return user.pk == staff.pk or bool(staff.has_perm(AS_OTHERS))
