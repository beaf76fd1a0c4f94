"""What was written, in the log of the admin: who, which object, and what, as the admin says it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.utils.text import capfirst
from django.utils.translation import override

from .options import Caller

# As django.contrib.admin.models numbers them, which can only be imported where it is installed.
ADDITION: Final = 1
CHANGE: Final = 2
DELETION: Final = 3


def added(ctx: Caller, obj: Any) -> None:
    """Note that the caller created `obj`."""
    _note(ctx, obj, ADDITION, [{"added": {}}])


def changed(ctx: Caller, obj: Any, fields: Iterable[Any]) -> None:
    """Note that the caller changed these fields of `obj`."""
    with override(None):  # They are translated for whoever reads them.
        names = [str(capfirst(field.verbose_name)) for field in fields]
    _note(ctx, obj, CHANGE, [{"changed": {"fields": names}}] if names else [])


def deleted(ctx: Caller, obj: Any) -> None:
    """Note that the caller deletes `obj`, while it is still there."""
    _note(ctx, obj, DELETION, "")


def _note(ctx: Caller, obj: Any, flag: int, message: Any) -> None:
    """Write an entry, where there is a log, and somebody to name in it."""
    user = ctx.user
    if not apps.is_installed("django.contrib.admin") or not isinstance(user, get_user_model()):
        return
    log: Any = apps.get_app_config("admin").get_model("LogEntry")
    log.objects.log_actions(user.pk, [obj], flag, message, single_object=True)
