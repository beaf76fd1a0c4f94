"""The app: registers its checks."""

from __future__ import annotations

import logging

from django.apps import AppConfig
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _

from . import conf


class OAuthConfig(AppConfig):
    """django_mcp.oauth in INSTALLED_APPS."""

    name = "django_mcp.oauth"
    label = "django_mcp_oauth"
    verbose_name = _("MCP authorization")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect what has to be connected; modules only define."""
        from . import checks  # noqa: F401 - they register themselves

        # oauthlib writes refresh tokens, and the tokens it makes, to its log at DEBUG.
        logging.getLogger("oauthlib.oauth2.rfc6749.grant_types.refresh_token").addFilter(_is_worth)

        setting_changed.connect(conf.forget, dispatch_uid="django_mcp.oauth.conf")


def _is_worth(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG
