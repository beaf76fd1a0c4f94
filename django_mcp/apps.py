"""The app: registers its checks, and finds each installed app's `mcp.py`."""

from __future__ import annotations

import sys
from types import ModuleType

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules

from . import conf
from .exposure.form_questions import DjangoForms
from .server.questions import form_kinds
from .transports import standard_streams


class DjangoMCPConfig(AppConfig):
    """django_mcp in INSTALLED_APPS."""

    name = "django_mcp"
    label = "django_mcp"
    verbose_name = "Model Context Protocol"
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        if _is_for_stdio(sys.argv):
            # A command is found only after every app has been loaded, which may print by then.
            standard_streams.take()

    def ready(self) -> None:
        """Connect what has to be connected; modules only define."""
        from . import checks  # noqa: F401 - they register themselves

        form_kinds.append(DjangoForms())
        setting_changed.connect(conf.forget, dispatch_uid="django_mcp.conf")
        autodiscover_modules("mcp")


def _is_for_stdio(argv: list[str]) -> bool:
    """True in a process that was started to serve standard input and output."""
    return argv[1:2] == ["mcp_stdio"] and not {"-h", "--help"} & {*argv}
