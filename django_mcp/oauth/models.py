"""What this app keeps beside the tables of django-oauth-toolkit.

Those keep applications, codes and tokens, and are neither changed nor swapped. Here is what they
have no room for: whether a client may be used, what a user has allowed it at which server, which
tokens came of a code, and tokens that people make for themselves.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from oauth2_provider.settings import oauth2_settings

#: The longest URL of an MCP endpoint.
LONGEST_RESOURCE = 255


class Client(models.Model):
    """What is known of an OAuth client that was registered here, besides its Application."""

    class Status(models.TextChoices):
        ALLOWED = "allowed", _("allowed")
        PENDING = "pending", _("waiting for approval")
        BLOCKED = "blocked", _("blocked")

    application = models.OneToOneField(
        oauth2_settings.APPLICATION_MODEL,
        models.CASCADE,
        related_name="mcp_client",
        verbose_name=_("application"),
    )
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.ALLOWED
    )
    refreshes = models.BooleanField(_("is given refresh tokens"), default=True)
    metadata = models.JSONField(_("what it says of itself"), default=dict, blank=True)
    fetched = models.DateTimeField(_("metadata fetched"), null=True, blank=True)
    expires = models.DateTimeField(_("metadata good until"), null=True, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("MCP client")
        verbose_name_plural = _("MCP clients")
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return str(self.application)


class Connection(models.Model):
    """What a user has allowed a client to do at one MCP server.

    No token reaches further: of its scopes those count that are allowed here, and where `revoked`
    is set, none of them does.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user")
    )
    application = models.ForeignKey(
        oauth2_settings.APPLICATION_MODEL,
        models.CASCADE,
        related_name="mcp_connections",
        verbose_name=_("application"),
    )
    resource = models.CharField(_("server"), max_length=LONGEST_RESOURCE)
    scopes = models.TextField(_("scopes"), blank=True)
    redirect_host = models.CharField(_("answers to"), max_length=255, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    used = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("MCP connection")
        verbose_name_plural = _("MCP connections")
        ordering = ("-created", "-pk")
        constraints = (
            models.UniqueConstraint(
                fields=["application", "user", "resource"], name="mcp_connection_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.application} · {self.resource}"


class UsedCode(models.Model):
    """Which family of tokens came of an authorization code, for when it is sent again."""

    digest = models.CharField(_("digest"), max_length=64, unique=True)
    application = models.ForeignKey(
        oauth2_settings.APPLICATION_MODEL,
        models.CASCADE,
        related_name="+",
        verbose_name=_("application"),
    )
    family = models.UUIDField(_("family of tokens"))
    expires = models.DateTimeField(_("expires"), db_index=True)

    class Meta:
        verbose_name = _("used authorization code")
        verbose_name_plural = _("used authorization codes")

    def __str__(self) -> str:
        return f"#{self.pk}"


class PersonalToken(models.Model):
    """A bearer token that a user has made for a program of theirs; only its digest is kept."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="mcp_personal_tokens",
        verbose_name=_("user"),
    )
    name = models.CharField(_("name"), max_length=100)
    shown = models.CharField(_("begins with"), max_length=24)
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    resource = models.CharField(_("server"), max_length=LONGEST_RESOURCE)
    scopes = models.TextField(_("scopes"), blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(_("expires"))
    used = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("personal access token")
        verbose_name_plural = _("personal access tokens")
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return f"{self.name} ({self.shown}…)"
