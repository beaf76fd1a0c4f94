"""Sessions, the events of their streams, and calls, as rows: what the admin shows and migrations
make.

Only what is kept, and how. Reading and writing sessions and events is `backends.orm`; what they
mean, `server.sessions` and `server.events`. Calls are written by `backends.journal`.
"""

from __future__ import annotations

from django.db import models


class Session(models.Model):
    """One client that has initialized. `server.sessions.Session` says what the fields hold.

    `key` is a digest of the session's id, which nobody but the client has.
    """

    key = models.CharField("key", max_length=43, primary_key=True)
    server = models.CharField("server", max_length=255)
    owner = models.CharField("principal", max_length=255)
    user_label = models.CharField("user", max_length=255, blank=True)
    place = models.CharField("place", max_length=32, blank=True)
    revision = models.CharField("protocol revision", max_length=10)
    client_info = models.JSONField("client", default=dict)
    capabilities = models.JSONField("capabilities of the client", default=dict, blank=True)
    stage = models.CharField("stage", max_length=10)
    log_level = models.CharField("log level", max_length=10, blank=True)
    followed = models.JSONField("resources followed", default=list, blank=True)
    elicited = models.JSONField("URLs the user was sent to", default=list, blank=True)
    created = models.DateTimeField("opened")
    used = models.DateTimeField("last used")
    ended = models.DateTimeField("ended", null=True, blank=True)

    class Meta:
        verbose_name = "MCP session"
        verbose_name_plural = "MCP sessions"
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
        Session, models.CASCADE, related_name="events", db_index=False, verbose_name="session"
    )
    stream = models.CharField("stream", max_length=32)
    position = models.PositiveIntegerField("position")
    data = models.BinaryField("message")
    is_last = models.BooleanField("last of its stream", default=False)
    created = models.DateTimeField("created")

    class Meta:
        verbose_name = "stream event"
        verbose_name_plural = "stream events"
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
        OK = "ok", "ok"
        TOOL_ERROR = "tool_error", "tool error"
        TIMED_OUT = "timed_out", "timed out"
        INPUT_REQUIRED = "input_required", "asked"
        ERROR = "error", "refused"
        INTERNAL_ERROR = "internal_error", "failed"
        CANCELLED = "cancelled", "cancelled"

    called = models.DateTimeField("called")
    server = models.CharField("server", max_length=255)
    method = models.CharField("method", max_length=100)
    target = models.CharField("tool, prompt or URI", max_length=255, blank=True)
    principal = models.CharField("principal", max_length=255)
    user_key = models.CharField("key of the user", max_length=64, blank=True)
    user_label = models.CharField("user", max_length=255, blank=True)
    client = models.CharField("client", max_length=255, blank=True)
    client_version = models.CharField("version of the client", max_length=100, blank=True)
    client_id = models.CharField("registered client", max_length=255, blank=True)
    session = models.CharField("key of the session", max_length=43, blank=True)
    revision = models.CharField("protocol revision", max_length=10)
    request_id = models.CharField("id of the request", max_length=100)
    outcome = models.CharField("outcome", max_length=20, choices=Outcome)
    code = models.IntegerField("error code", null=True, blank=True)
    milliseconds = models.FloatField("milliseconds")
    step = models.PositiveSmallIntegerField("step of the duration", editable=False)
    hour = models.PositiveIntegerField("hour", editable=False)
    received = models.PositiveIntegerField("bytes received")
    sent = models.PositiveIntegerField("bytes sent")
    correlation = models.CharField("correlation id", max_length=32)
    arguments = models.JSONField("arguments", null=True, blank=True)

    class Meta:
        verbose_name = "call"
        verbose_name_plural = "calls"
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

    server = models.CharField("server", max_length=255, unique=True)
    closed = models.BooleanField("closed", default=True)
    reason = models.CharField(
        "reason", max_length=255, blank=True, help_text="What clients are told."
    )
    retry_after = models.PositiveIntegerField(
        "try again after", default=60, help_text="In how many seconds clients may come again."
    )
    changed = models.DateTimeField("changed", auto_now=True)

    class Meta:
        verbose_name = "server switch"
        verbose_name_plural = "server switches"
        ordering = ("server",)

    def __str__(self) -> str:
        return f"{self.server}: {'closed' if self.closed else 'open'}"
