"""Sessions, the events of their streams, and calls, as rows: what the admin shows and migrations
make.

Only what is kept, and how. Reading and writing sessions and events is `backends.orm`; what they
mean, `server.sessions` and `server.events`. Calls are written by `backends.journal`.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy


class Session(models.Model):
    """One client that has initialized. `server.sessions.Session` says what the fields hold.

    `key` is a digest of the session's id, which nobody but the client has.
    """

    key = models.CharField(
        pgettext_lazy("a digest by which a row is found", "key"), max_length=43, primary_key=True
    )
    server = models.CharField(_("server"), max_length=255)
    owner = models.CharField(_("principal"), max_length=255)
    user_label = models.CharField(_("user"), max_length=255, blank=True)
    place = models.CharField(
        pgettext_lazy("a process in which a session is", "place"), max_length=32, blank=True
    )
    revision = models.CharField(_("protocol revision"), max_length=10)
    client_info = models.JSONField(_("client"), default=dict)
    capabilities = models.JSONField(_("capabilities of the client"), default=dict, blank=True)
    stage = models.CharField(
        pgettext_lazy("of a session: how far its handshake got", "stage"), max_length=10
    )
    log_level = models.CharField(_("log level"), max_length=10, blank=True)
    followed = models.JSONField(_("resources followed"), default=list, blank=True)
    elicited = models.JSONField(_("URLs the user was sent to"), default=list, blank=True)
    created = models.DateTimeField(pgettext_lazy("when a session was opened", "opened"))
    used = models.DateTimeField(_("last used"))
    ended = models.DateTimeField(
        pgettext_lazy("when a session ended", "ended"), null=True, blank=True
    )

    class Meta:
        verbose_name = _("MCP session")
        verbose_name_plural = _("MCP sessions")
        ordering = ("-used", "key")
        indexes = (
            models.Index(fields=["server", "owner", "ended"], name="mcp_session_of_owner"),
            models.Index(fields=["ended", "used"], name="mcp_session_ended_used"),
        )

    def __str__(self) -> str:
        return f"{self.client_info.get('name', '?')} ({self.owner})"


class StreamEvent(models.Model):
    """One event of a stream, kept for a client that comes back for it."""

    # The index of the constraint begins with the session, so it needs none of its own.
    session = models.ForeignKey(
        Session, models.CASCADE, related_name="events", db_index=False, verbose_name=_("session")
    )
    stream = models.CharField(_("stream"), max_length=32)
    position = models.PositiveIntegerField(_("position"))
    data = models.BinaryField(_("message"))
    is_last = models.BooleanField(_("last of its stream"), default=False)
    created = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("stream event")
        verbose_name_plural = _("stream events")
        ordering = ("session", "stream", "position")
        constraints = (
            models.UniqueConstraint(
                fields=["session", "stream", "position"], name="mcp_event_in_its_place"
            ),
        )
        indexes = (models.Index(fields=["created"], name="mcp_event_created"),)

    def __str__(self) -> str:
        return f"{self.stream}-{self.position}"


class Call(models.Model):
    """One answered request. `server.calls.CallRecord` says what most of the fields hold.

    It says who called in texts, which stay when the user, the session or the client are gone, and
    which need no app of users to be installed. `hour` and `step` are when and how long once more,
    as numbers by which any database can count fast: hours since the epoch, and the duration as
    `backends.durations` has it.
    """

    class Outcome(models.TextChoices):
        OK = "ok", pgettext_lazy("how a call ended", "ok")
        TOOL_ERROR = "tool_error", pgettext_lazy("how a call ended", "tool error")
        TIMED_OUT = "timed_out", pgettext_lazy("how a call ended", "timed out")
        INPUT_REQUIRED = "input_required", pgettext_lazy("how a call ended", "asked")
        ERROR = "error", pgettext_lazy("how a call ended", "refused")
        INTERNAL_ERROR = "internal_error", pgettext_lazy("how a call ended", "failed")
        CANCELLED = "cancelled", pgettext_lazy("how a call ended", "cancelled")

    called = models.DateTimeField(pgettext_lazy("when a call was made", "called"))
    server = models.CharField(_("server"), max_length=255)
    method = models.CharField(_("method"), max_length=100)
    target = models.CharField(_("tool, prompt or URI"), max_length=255, blank=True)
    principal = models.CharField(_("principal"), max_length=255)
    user_key = models.CharField(_("key of the user"), max_length=64, blank=True)
    user_label = models.CharField(_("user"), max_length=255, blank=True)
    client = models.CharField(_("client"), max_length=255, blank=True)
    client_version = models.CharField(_("version of the client"), max_length=100, blank=True)
    client_id = models.CharField(_("registered client"), max_length=255, blank=True)
    session = models.CharField(_("key of the session"), max_length=43, blank=True)
    revision = models.CharField(_("protocol revision"), max_length=10)
    request_id = models.CharField(_("id of the request"), max_length=100)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome)
    code = models.IntegerField(_("error code"), null=True, blank=True)
    milliseconds = models.FloatField(_("milliseconds"))
    step = models.PositiveSmallIntegerField(_("step of the duration"), editable=False)
    hour = models.PositiveIntegerField(_("hour"), editable=False)
    received = models.PositiveIntegerField(_("bytes received"))
    sent = models.PositiveIntegerField(_("bytes sent"))
    correlation = models.CharField(_("correlation id"), max_length=32)
    arguments = models.JSONField(_("arguments"), null=True, blank=True)

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        permissions = (
            ("use_inspector", "Can try out servers in the inspector"),
            ("inspect_as_others", "Can do so as users who may no more than they themselves"),
        )
        ordering = ("-called", "-id")
        indexes = (
            models.Index(fields=["called"], name="mcp_call_called"),
            models.Index(fields=["outcome", "called"], name="mcp_call_outcome"),
            models.Index(fields=["target", "called"], name="mcp_call_target"),
            models.Index(fields=["user_key", "called"], name="mcp_call_user"),
            models.Index(fields=["session", "called"], name="mcp_call_session"),
            models.Index(fields=["correlation"], name="mcp_call_correlation"),
        )

    def __str__(self) -> str:
        return f"{self.method} {self.target}".strip()


class Switch(models.Model):
    """Whether a server is closed. One that has no row is open."""

    server = models.CharField(_("server"), max_length=255, unique=True)
    closed = models.BooleanField(
        pgettext_lazy("whether a server is closed", "closed"), default=True
    )
    reason = models.CharField(
        _("reason"), max_length=255, blank=True, help_text=_("What clients are told.")
    )
    retry_after = models.PositiveIntegerField(
        _("try again after"), default=60, help_text=_("In how many seconds clients may come again.")
    )
    changed = models.DateTimeField(
        pgettext_lazy("when a row was changed", "changed"), auto_now=True
    )

    class Meta:
        verbose_name = _("server switch")
        verbose_name_plural = _("server switches")
        ordering = ("server",)

    def __str__(self) -> str:
        state = (
            pgettext("state of a server", "closed")
            if self.closed
            else pgettext("state of a server", "open")
        )
        return f"{self.server}: {state}"
