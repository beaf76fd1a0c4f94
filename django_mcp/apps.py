"""The app: registers its checks, and finds each installed app's `mcp.py`.

One that cannot be imported stops the project, as an `admin.py` does. Only the commands that are
there to say what is wrong go on without it, and find what it was in `broken`.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from types import ModuleType
from typing import Final

from django.apps import AppConfig, apps
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules, module_has_submodule

from . import conf, default
from .exposure.form_kinds import DjangoForms
from .server.questions import form_kinds
from .transports import standard_streams

#: The commands that explain what does not work, for which everything else has to.
EXPLAINING: Final = frozenset({"mcp_list", "mcp_doctor"})


class DjangoMCPConfig(AppConfig):
    """django_mcp in INSTALLED_APPS."""

    name = "django_mcp"
    label = "django_mcp"
    verbose_name = "Model Context Protocol"
    default_auto_field = "django.db.models.BigAutoField"

    #: By the name of an app, the traceback of the import of its `mcp.py`; see `EXPLAINING`.
    broken: dict[str, str]

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        self.broken = {}
        if _is_for_stdio(sys.argv):
            # A command is found only after every app has been loaded, which may print by then.
            standard_streams.take()

    def ready(self) -> None:
        """Connect what has to be connected; modules only define."""
        from . import checks  # noqa: F401 - they register themselves

        form_kinds.append(DjangoForms())
        setting_changed.connect(conf.forget, dispatch_uid="django_mcp.conf")
        setting_changed.connect(default.forget, dispatch_uid="django_mcp.default")
        if len(sys.argv) > 1 and sys.argv[1] in EXPLAINING:
            self.broken = _discovered_as_far_as_possible()
        else:
            autodiscover_modules("mcp")


def _discovered_as_far_as_possible() -> dict[str, str]:
    """Import what `autodiscover_modules` would; the tracebacks of what fails, by app."""
    broken = {}
    for app in apps.get_app_configs():
        try:
            import_module(f"{app.name}.mcp")
        except Exception:
            if app.module is not None and module_has_submodule(app.module, "mcp"):
                broken[app.name] = traceback.format_exc()
    return broken


def _is_for_stdio(argv: list[str]) -> bool:
    """True in a process that was started to serve standard input and output."""
    return argv[1:2] == ["mcp_stdio"] and not {"-h", "--help"} & {*argv}
