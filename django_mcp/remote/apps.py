"""The app: registers its checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _

from . import conf


class RemoteConfig(AppConfig):
    """django_mcp.remote in INSTALLED_APPS."""

    name = "django_mcp.remote"
    label = "django_mcp_remote"
    verbose_name = _("Remote MCP servers")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what has to be connected; modules only define."""
        from . import checks  # noqa: F401 - they register themselves

        setting_changed.connect(conf.forget, dispatch_uid="django_mcp.remote.conf")
