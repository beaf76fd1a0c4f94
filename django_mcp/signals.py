"""Signals: what a project can hear of the servers it runs."""

from __future__ import annotations

from django.dispatch import Signal

from .server.calls import CallRecord

#: Sent with each answer, with `record`, a CallRecord; the sender is the server's name. Sync
#: receivers run in a thread and async ones on the loop, before the answer goes out.
call_finished = Signal()


#: Sent when a client has initialized, and when a session was ended by its client or by
#: `Conversation.end`; with `session`, a Session. The sender is the server's name. Receivers run as
#: those of `call_finished` do, before the client gets its answer.
session_opened = Signal()
session_closed = Signal()

#: Sent when a client says that the directories it works in changed; with `session`, a Session.
roots_changed = Signal()


async def send_call_finished(record: CallRecord) -> None:
    """Hand `record` to the receivers of `call_finished`; Django logs what they raise."""
    await call_finished.asend_robust(sender=record.server, record=record)
