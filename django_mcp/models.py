"""Sessions and the events of their streams, as rows: what the admin shows and migrations make.

Only what is kept, and how. Reading and writing them is `backends.orm`; what they mean,
`server.sessions` and `server.events`.
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
