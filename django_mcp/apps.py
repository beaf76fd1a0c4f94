"""The app: registers its checks, and finds each installed app's `mcp.py`."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.module_loading import autodiscover_modules

from . import conf
from .exposure.form_questions import DjangoForms
from .server.questions import form_kinds


class DjangoMCPConfig(AppConfig):
    """django_mcp in INSTALLED_APPS."""

    name = "django_mcp"
    label = "django_mcp"
    verbose_name = "Model Context Protocol"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what has to be connected; modules only define."""
        from . import checks  # noqa: F401 - they register themselves

        form_kinds.append(DjangoForms())
        setting_changed.connect(conf.forget, dispatch_uid="django_mcp.conf")
        autodiscover_modules("mcp")
