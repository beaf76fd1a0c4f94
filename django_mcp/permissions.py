"""Access rules made of Django's permissions, for `@tool(permission=…)` and its siblings."""

from __future__ import annotations

from .server.access import AccessRule, Principal
from .server.errors import RegistrationError


def has_permission(codename: str) -> AccessRule:
    """A rule that holds for users with the permission "app_label.codename".

    Callers without a user never pass. Raises RegistrationError for a name without an app label.
    """
    if codename.count(".") != 1 or not all(codename.split(".")):
        raise RegistrationError(
            f'{codename!r} names no permission: write "app_label.codename", for example '
            '"library.change_book".'
        )

    def rule(principal: Principal) -> bool:
        user = principal.user
        return user is not None and bool(user.has_perm(codename))

    return rule
