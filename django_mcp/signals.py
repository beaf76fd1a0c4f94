"""Signals: what a project can hear of the servers it runs."""

from __future__ import annotations

from django.dispatch import Signal

from .server.calls import CallRecord

#: Sent after each answered request, with `record`, a CallRecord; the sender is the server's name.
call_finished = Signal()


def send_call_finished(record: CallRecord) -> None:
    """Hand `record` to the receivers of `call_finished`, in the event loop's thread."""
    call_finished.send_robust(sender=record.server, record=record)
