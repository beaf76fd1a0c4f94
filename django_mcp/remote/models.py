"""The rows: servers, how the project is registered where they are authorized, what users have
connected, and authorizations that have begun.

Each has its secrets in `sealed`, encrypted (`sealing`), and shows them nowhere else. What is said
here is what a row is; when tokens are kept and by whom, is `storage`.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ..client.auth import UnsafeURL
from ..client.auth.urls import base_url, check_url
from ..client.transports.headers import is_own
from . import conf
from .sealing import seal, unseal

#: The holder of what the project has for itself.
PROJECT: Final = "project"

SCHEMES: Final = ("http", "https", "ws", "wss")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def holder_of(user_id: Any) -> str:
    """Whose tokens they are, in a word; None stands for the project."""
    return PROJECT if user_id is None else f"user:{user_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a server is sent by everybody who uses it. Raises ValueError for what no header is."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False)
    client_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not _HEADER.fullmatch(name):
                raise ValueError(_("%(name)r is no name of a header.") % {"name": name[:80]})
            if is_own(name):
                said = _("%(name)r is written by whoever sends the request: leave it out.")
                raise ValueError(said % {"name": name})
            if not _is_printable(value):
                said = _("The value of %(name)r is not ASCII, or not on one line.")
                raise ValueError(said % {"name": name[:80]})
        if not _is_printable(self.token):
            raise ValueError(_("The token is not ASCII, or not on one line."))


def _is_printable(text: str) -> bool:
    return text.isascii() and (not text or text.isprintable())


class RemoteServer(models.Model):
    """An MCP server that the project is a client of.

    Exactly one of `url` and `command` is filled. Secrets are read from `secrets`, and written with
    `keep()`.
    """

    class Authorization(models.TextChoices):
        NONE = "none", pgettext_lazy("no authorization", "none")
        BEARER = "bearer", _("one token for everybody")
        USER = "user", _("OAuth: users connect themselves")
        PROJECT = "project", _("OAuth: the project for itself (client credentials)")

    name = models.SlugField(
        _("name"), unique=True, help_text=_("What the project's code calls it.")
    )
    title = models.CharField(_("title"), max_length=100, blank=True)
    enabled = models.BooleanField(pgettext_lazy("of a server", "enabled"), default=True)
    url = models.CharField(
        _("URL"),
        max_length=500,
        blank=True,
        help_text=pgettext_lazy("help for a URL", "Of its endpoint."),
    )
    command = models.TextField(
        _("command"),
        blank=True,
        help_text=_("In place of a URL: a program to start, and its arguments, one on a line."),
    )
    authorization = models.CharField(
        _("authorization"), max_length=10, choices=Authorization.choices, default=Authorization.NONE
    )
    scopes = models.CharField(
        _("scopes"),
        max_length=500,
        blank=True,
        help_text=_("To ask for beside those that the server wants, with blanks between them."),
    )
    issuer = models.CharField(
        _("issuer"),
        max_length=500,
        blank=True,
        help_text=_(
            "Where the client ID is registered: what the authorization server calls itself."
        ),
    )
    client_id = models.CharField(_("client ID"), max_length=500, blank=True)
    sealed = models.TextField(_("secrets"), blank=True, default="", editable=False)

    seen = models.DateTimeField(_("last tried"), null=True, editable=False)
    problem = models.TextField(_("problem"), blank=True, default="", editable=False)
    info = models.JSONField(_("what it says of itself"), default=dict, editable=False)
    tools = models.JSONField(_("tools seen"), default=list, editable=False)
    tools_seen = models.DateTimeField(_("tools seen at"), null=True, editable=False)

    class Meta:
        verbose_name = _("remote server")
        verbose_name_plural = _("remote servers")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.title or self.name

    def clean(self) -> None:
        """Raise ValidationError for what cannot be connected to."""
        wrong: dict[str, Any] = {}
        if bool(self.url) == bool(self.command.strip()):
            raise ValidationError(_("Give either a URL or a command."))
        if self.command and not conf.get().allow_stdio:
            # Not of the field, which is not in the form then.
            raise ValidationError(
                _('Programs are started only where DJANGO_MCP_REMOTE["ALLOW_STDIO"] is True.')
            )
        if self.command and self.authorization != self.Authorization.NONE:
            wrong["authorization"] = pgettext_lazy("no authorization", "A program has none.")
        if self.url and (problem := self._problem_of_url()):
            wrong["url"] = problem
        if self.client_id and not self.issuer:
            wrong["issuer"] = _("A client ID belongs to one authorization server: name it.")
        if self.authorization == self.Authorization.PROJECT and not self.client_id:
            wrong["client_id"] = pgettext_lazy(
                "a client ID", "The project needs one to act for itself."
            )
        if wrong:
            raise ValidationError(wrong)

    def _problem_of_url(self) -> Any:
        try:
            parts = urlsplit(self.url)
            has_host = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            has_host = False
        if not has_host or parts.scheme not in SCHEMES or not self.url.isprintable():
            return _("This is no http://, https://, ws:// or wss:// URL.")
        if "@" in parts.netloc:
            return _("Leave the user name out: a URL is shown to many. Secrets have fields.")
        if self.uses_oauth:
            try:
                check_url(self.url, "The URL")
            except UnsafeURL as error:
                return str(error)
        return None

    @property
    def uses_oauth(self) -> bool:
        return self.authorization in (self.Authorization.USER, self.Authorization.PROJECT)

    @property
    def arguments(self) -> list[str]:
        """The command, as it is started."""
        return [line.strip() for line in self.command.splitlines() if line.strip()]

    @property
    def host(self) -> str:
        """Where it is, for people."""
        return (urlsplit(self.url).netloc if self.url else " ".join(self.arguments[:1])) or "?"

    @property
    def secrets(self) -> Secrets:
        """What is kept; nothing where that cannot be opened."""
        kept = unseal(self.sealed, self._use, f"remote server {self.pk}")
        try:
            return Secrets(**(kept or {}))
        except (TypeError, ValueError, AttributeError):
            return Secrets()

    def keep(self, secrets: Secrets) -> None:
        """Seal `secrets` for where this server is now. The row is not saved."""
        self.sealed = seal(asdict(secrets), self._use) if secrets != Secrets() else ""

    @property
    def _use(self) -> str:
        """Secrets go where they were meant to, whoever writes another URL into the row."""
        try:
            where: Any = base_url(self.url) if self.url else self.arguments
        except ValueError:
            where = self.url
        return json.dumps(["server", where, self.issuer])


class Registration(models.Model):
    """How the project is registered at the authorization server of a server, for all users."""

    server = models.ForeignKey(
        RemoteServer, models.CASCADE, related_name="registrations", verbose_name=_("server")
    )
    #: SHA-256 of the client ID and its issuer, which may be long.
    digest = models.CharField(_("digest"), max_length=64)
    sealed = models.TextField(
        pgettext_lazy("of the project at an authorization server", "registration")
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = pgettext_lazy("of the project at an authorization server", "registration")
        verbose_name_plural = pgettext_lazy(
            "of the project at an authorization server", "registrations"
        )
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"#{self.pk}"


class Connection(models.Model):
    """What a user has at a server: tokens. That of the project has no user."""

    server = models.ForeignKey(
        RemoteServer, models.CASCADE, related_name="connections", verbose_name=_("server")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="+",
        verbose_name=_("user"),
    )
    #: See `holder_of`; unlike the user it is never NULL, which databases count as unlike itself.
    holder = models.CharField(_("holder"), max_length=150)
    #: The URL that the tokens were got for. Where the server is another one now, they are not sent.
    url = models.CharField(_("URL"), max_length=500)
    registration = models.ForeignKey(
        Registration,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=pgettext_lazy("of the project at an authorization server", "registration"),
    )
    sealed = models.TextField(_("tokens"))
    #: Another one after each change: who has read a former one does not write.
    version = models.UUIDField(_("version"), default=uuid.uuid4)
    #: Until when one process has the turn to renew.
    turn_until = models.DateTimeField(_("being renewed until"), null=True)
    issuer = models.CharField(_("authorization server"), max_length=500)
    scopes = models.TextField(_("scopes"), blank=True)
    #: What the server asked for, and the user has not been asked for yet.
    wanted = models.TextField(_("scopes wanted"), blank=True, default="")
    renews = models.BooleanField(_("can be renewed"), default=False)
    expires = models.DateTimeField(_("access token good until"), null=True)
    created = models.DateTimeField(
        pgettext_lazy("when a user connected", "connected"), auto_now_add=True
    )
    changed = models.DateTimeField(pgettext_lazy("when tokens were renewed", "renewed"))

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ("-created", "-pk")
        constraints = (
            models.UniqueConstraint(fields=["server", "holder"], name="mcp_remote_connection_once"),
        )

    def __str__(self) -> str:
        return f"{self.user or _('the project')} · {self.server}"


class Attempt(models.Model):
    """An authorization that a user has begun. It is found by its state, and once only."""

    #: SHA-256 of the state.
    digest = models.CharField(_("digest"), max_length=64, unique=True)
    server = models.ForeignKey(
        RemoteServer, models.CASCADE, related_name="+", verbose_name=_("server")
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("user")
    )
    #: SHA-256 of what only the user's browser session has.
    browser = models.CharField(_("browser"), max_length=64)
    sealed = models.TextField(pgettext_lazy("what was asked of an authorization server", "request"))
    target = models.TextField(_("goes on to"))
    created = models.DateTimeField(_("created"), db_index=True)

    class Meta:
        verbose_name = _("authorization that has begun")
        verbose_name_plural = _("authorizations that have begun")

    def __str__(self) -> str:
        return f"#{self.pk}"
