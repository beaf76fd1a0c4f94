"""Server-sent events: events into bytes, and a stream of bytes back into events.

This module owns the format and nothing of its use: which messages go out, under which ids, and
when a stream is resumed belong to the transports and to ``server.events``; what the data holds
belongs to ``jsonrpc``. Data is bytes here, since JSON that was damaged on the way must be refused,
not repaired.

Source: html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 and 9.2.6.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_EVENT_SIZE = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
# A longer time to wait is no instruction to reconnect.
_MAX_RETRY_DIGITS = 15


class EventTooLarge(ValueError):
    """The other side sends an event bigger than the decoder accepts; the stream is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, as its own fields say it; ``id`` and ``retry`` are None where it has none.

    The id that is in force, which an earlier event may have set, is ``Decoder.last_event_id``.
    """

    event: str = "message"
    data: bytes = b""
    id: str | None = None
    retry: int | None = None


# ----------------------------------------------------------------------------------------- writing


def encode(
    data: bytes, *, event: str = "message", id: str | None = None, retry: int | None = None
) -> bytes:
    """One event in full, with the blank line that ends it.

    Data of several lines comes back with each line ending in LF, whatever it was. ``retry`` is in
    milliseconds. Raises ``ValueError`` for an event name or id that would break out of its line,
    for an id with NUL, which receivers ignore, and for a negative ``retry``.
    """
    head = "" if id is None else f"id: {_one_line('id', id)}\n"
    head += f"event: {_one_line('event', event)}\n"
    if retry is not None:
        if retry < 0:
            raise ValueError(f"retry must be a number of milliseconds, not {retry!r}")
        head += f"retry: {retry:d}\n"
    return b"%bdata: %b\n\n" % (head.encode(), _lines(data, b"\ndata: "))


def comment(text: str = "") -> bytes:
    """Bytes that carry no event: they keep a quiet connection open."""
    return b": %b\n\n" % _lines(text.encode(), b"\n: ") if text else b":\n\n"


def _one_line(field: str, value: str) -> str:
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError(f"{field} must not have line breaks or NUL: {value[:100]!r}")
    return value


def _lines(data: bytes, separator: bytes) -> bytes:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.replace(b"\n", separator) if b"\n" in data else data


# ----------------------------------------------------------------------------------------- reading


class Decoder:
    """Reads a stream in whatever pieces it arrives.

    ``last_event_id`` and ``retry`` are what a reconnecting client goes by: the id of the last
    finished event that had one ("" for none), and the last time to wait in milliseconds. What
    remains when the stream ends is not an event, so that there is nothing to flush.
    """

    # The fields of the event that is being read.
    _event: str
    _data: bytearray
    _id: str | None
    _retry: int | None

    def __init__(self, *, max_event_size: int = MAX_EVENT_SIZE) -> None:
        self.last_event_id = ""
        self.retry: int | None = None
        self._max_event_size = max_event_size
        self._at_start = True
        self._after_cr = False
        self._partial = bytearray()
        self._clear()

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that ``chunk`` completes, in order.

        Raises ``EventTooLarge`` once a line or the data of an event exceeds ``max_event_size``
        bytes; after that the decoder is of no more use.
        """
        if self._after_cr and chunk:
            # The CR ended the line already; the LF of a pair only comes with the next piece.
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        lines = chunk.splitlines()  # of bytes: CR, LF and CRLF, and nothing else
        rest = b""
        if chunk.endswith(b"\r"):
            self._after_cr = True
        elif lines and not chunk.endswith(b"\n"):
            rest = lines.pop()

        events = []
        for line in lines:
            if self._partial:
                line = bytes(self._partial + line)
                self._partial.clear()
            event = self._take(line)
            if event is not None:
                events.append(event)
        self._partial += rest
        self._check_size(len(self._partial))
        return events

    def _take(self, line: bytes) -> Event | None:
        """Process one line; the event, if the line ends one."""
        self._check_size(len(line))
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name:
            case b"data":
                self._data += value
                self._data += b"\n"
                self._check_size(len(self._data))
            case b"event":
                self._event = value.decode(errors="replace")
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
            case b"retry" if value.isdigit() and len(value) <= _MAX_RETRY_DIGITS:
                self._retry = self.retry = int(value)
        return None

    def _dispatch(self) -> Event | None:
        if self._id is not None:
            self.last_event_id = self._id
        event = None
        if self._data:
            event = Event(
                event=self._event or "message",
                data=bytes(self._data[:-1]),
                id=self._id,
                retry=self._retry,
            )
        self._clear()
        return event

    def _clear(self) -> None:
        self._event = ""
        self._data = bytearray()
        self._id = None
        self._retry = None

    def _check_size(self, size: int) -> None:
        if size > self._max_event_size:
            raise EventTooLarge(
                f"The stream has an event of more than {self._max_event_size} bytes; "
                "raise max_event_size if that is expected"
            )
