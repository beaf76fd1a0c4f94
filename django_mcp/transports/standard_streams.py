"""Keeping standard input and output for the protocol, whoever else reads and prints meanwhile.

Owns the descriptors 0 and 1 and what Python calls by their names. While the protocol has them,
whatever prints does so to standard error, on the level of Python, on that of the descriptor or in
a child process; and whatever reads finds nothing. What is said on them is `stdio`.

Source: 2026-07-28, basic/transports/stdio: nothing but messages may be written there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple


class StandardStreams(NamedTuple):
    """The descriptors of the protocol, which no program that is started inherits, and what Python
    printed to before."""

    incoming: int
    outgoing: int
    stdout: Any


_held: Final[list[StandardStreams]] = []


def take() -> StandardStreams:
    """Take standard input and output for the protocol, for good; the same if they are taken.

    What was printed before, and was not written yet, goes to standard error as well.
    """
    if not _held:
        _held.append(_take())
    return _held[0]


@contextmanager
def taken() -> Iterator[StandardStreams]:
    """Take them, and let them be what they were afterwards unless they were taken before."""
    is_ours = not _held
    try:
        yield take()
    finally:
        if is_ours:
            _give_back(_held.pop())


def _take() -> StandardStreams:
    _open_all()
    streams = StandardStreams(incoming=os.dup(0), outgoing=os.dup(1), stdout=sys.stdout)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    _flush(sys.stdout)
    # Not the same as before: that one waits until it has a good deal to write.
    sys.stdout = sys.stderr
    return streams


def _give_back(streams: StandardStreams) -> None:
    _flush(streams.stdout)
    for ours, theirs in [(streams.incoming, 0), (streams.outgoing, 1)]:
        os.dup2(ours, theirs)
        os.close(ours)
    sys.stdout = streams.stdout


def _open_all() -> None:
    """Open those that are closed, so that no other file comes to have their numbers."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _flush(stream: Any) -> None:
    # There may be none, and its reader may have gone.
    with suppress(AttributeError, OSError, ValueError):
        stream.flush()
