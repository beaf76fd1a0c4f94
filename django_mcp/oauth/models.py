"""What this app keeps beside the tables of django-oauth-toolkit.

Those keep applications, codes and tokens, and are neither changed nor swapped. Here is what they
have no room for: whether a client may be used, what a user has allowed it at which server, which
tokens came of a code, tokens that people make for themselves, and who is whom at identity
providers.
"""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from oauth2_provider.settings import oauth2_settings

from .identity_providers import LONGEST_ISSUER

#: The longest URL of an MCP endpoint.
LONGEST_RESOURCE = 255


class Client(models.Model):
    """What is known of an OAuth client that was registered here, besides its Application."""

    class Status(models.TextChoices):
        ALLOWED = "allowed", pgettext_lazy("status of a client", "allowed")
        PENDING = "pending", pgettext_lazy("status of a client", "waiting for approval")
        BLOCKED = "blocked", pgettext_lazy("status of a client", "blocked")

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
    """What a user has allowed a client to do at one MCP server, or an administrator has for them.

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
    redirect_host = models.CharField(
        pgettext_lazy("the host to which answers go", "answers to"), max_length=255, blank=True
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    used = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked = models.DateTimeField(
        pgettext_lazy("when something was ended", "revoked"), null=True, blank=True
    )

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
    expires = models.DateTimeField(pgettext_lazy("when something ends", "expires"), db_index=True)

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
    shown = models.CharField(
        pgettext_lazy("the first letters of a token", "begins with"), max_length=24
    )
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    resource = models.CharField(_("server"), max_length=LONGEST_RESOURCE)
    scopes = models.TextField(_("scopes"), blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    expires = models.DateTimeField(pgettext_lazy("when something ends", "expires"))
    used = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked = models.DateTimeField(
        pgettext_lazy("when something was ended", "revoked"), null=True, blank=True
    )

    class Meta:
        verbose_name = _("personal access token")
        verbose_name_plural = _("personal access tokens")
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return f"{self.name} ({self.shown}…)"


class ExternalIdentity(models.Model):
    """Who somebody is here, whom an identity provider calls `subject`.

    Without a user it was unlinked: nobody comes in by it, and nothing links it again by itself.
    `digest` is unique and stands for issuer and subject together, letter by letter: databases
    differ in how long an index may be, and some take "a" and "A" for the same.
    """

    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    issuer = models.CharField(_("issuer"), max_length=LONGEST_ISSUER)
    subject = models.CharField(_("subject"), max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="mcp_external_identities",
        verbose_name=_("user"),
        help_text=_("Nobody comes in by an identity without a user."),
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    used = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("external identity")
        verbose_name_plural = _("external identities")
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return f"{self.subject} · {self.issuer}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.digest = self.digest_of(self.issuer, self.subject)
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Raises ValidationError where the identity is there already."""
        digest = self.digest_of(self.issuer, self.subject)
        others = type(self)._default_manager.filter(digest=digest).exclude(pk=self.pk)
        if others.exists():
            raise ValidationError(_("This subject of this issuer is there already."))

    @staticmethod
    def digest_of(issuer: str, subject: str) -> str:
        """What an identity is looked up by."""
        return hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()
