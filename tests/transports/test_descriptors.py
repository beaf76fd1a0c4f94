"""Bytes in and out of descriptors: pipes, sockets, files, terminals and nothing."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from django_mcp.transports.descriptors import MAX_UNWRITTEN, DescriptorStreams

pytestmark = pytest.mark.skipif(os.name != "posix", reason="descriptors as POSIX has them")

PATIENCE = 10


@pytest.fixture
def opened() -> Iterator[Callable[[int], int]]:
    """Has a descriptor closed at the end of the test."""
    with ExitStack() as stack:

        def keep(descriptor: int) -> int:
            stack.callback(_close, descriptor)
            return descriptor

        yield keep


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return


Ends = tuple[int, int, int, int]


@pytest.fixture(params=["pipes", "socket"])
def ends(request: pytest.FixtureRequest, opened: Any) -> Ends:
    """What the client writes and reads, and what the server reads and writes."""
    if request.param == "socket":
        ours, theirs = socket.socketpair()
        client, server = opened(ours.detach()), opened(theirs.detach())
        return client, client, server, opened(os.dup(server))
    server_reads, client_writes = os.pipe()
    client_reads, server_writes = os.pipe()
    return tuple(map(opened, (client_writes, client_reads, server_reads, server_writes)))


async def soon(what: Any) -> Any:
    return await asyncio.wait_for(what, PATIENCE)


async def test_what_is_written_there_is_read_here(ends: Ends) -> None:
    writes, reads, incoming, outgoing = ends
    with DescriptorStreams(incoming, outgoing) as streams:
        os.write(writes, b"one")
        assert await soon(streams.read()) == b"one"
        waiting = asyncio.ensure_future(streams.read())
        await asyncio.sleep(0)
        os.write(writes, b"two")
        assert await soon(waiting) == b"two"
        await streams.write(b"three")
        await streams.write(b"four")
        await soon(streams.flush())
        assert os.read(reads, 100) == b"threefour"


async def test_the_end_is_nothing(ends: Ends) -> None:
    writes, _, incoming, outgoing = ends
    with DescriptorStreams(incoming, outgoing) as streams:
        os.write(writes, b"last")
        os.close(writes)
        assert await soon(streams.read()) == b"last"
        assert await soon(streams.read()) == b""


async def test_reading_can_be_stopped(ends: Ends) -> None:
    _, _, incoming, outgoing = ends
    with DescriptorStreams(incoming, outgoing) as streams:
        waiting = asyncio.ensure_future(streams.read())
        await asyncio.sleep(0)
        streams.stop()
        assert await soon(waiting) == b""
        assert await soon(streams.read()) == b""


async def test_a_reader_that_stops_makes_the_writer_wait(ends: Ends) -> None:
    _, reads, incoming, outgoing = ends
    with DescriptorStreams(incoming, outgoing) as streams:
        pieces = [b"%08d" % number * 1_000 for number in range(1_000)]
        written = 0

        async def write() -> None:
            nonlocal written
            for piece in pieces:
                await streams.write(piece)
                written += 1
            await streams.flush()

        writing = asyncio.ensure_future(write())
        # The loop turns, and nothing more is written.
        before = -1
        while before != written:
            before = written
            for _ in range(10):
                await asyncio.sleep(0)
        assert written < 1_000
        assert not writing.done()
        read = await asyncio.to_thread(_read, reads, sum(map(len, pieces)))
        await soon(writing)
        assert read == b"".join(pieces)


def _read(descriptor: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        found += os.read(descriptor, 65536)
    return bytes(found)


async def test_one_piece_may_be_larger_than_all_that_waits(ends: Ends) -> None:
    _, reads, incoming, outgoing = ends
    data = os.urandom(5_000_000)
    assert len(data) > MAX_UNWRITTEN
    with DescriptorStreams(incoming, outgoing) as streams:
        reading = asyncio.ensure_future(asyncio.to_thread(_read, reads, len(data)))
        await soon(streams.write(data))
        await soon(streams.flush())
        assert await reading == data


async def test_a_reader_that_has_gone_is_an_error(ends: Ends) -> None:
    writes, reads, incoming, outgoing = ends
    with DescriptorStreams(incoming, outgoing) as streams:
        writing = asyncio.ensure_future(streams.write(b"x" * 1_000_000))
        await asyncio.sleep(0)
        os.close(reads)
        if writes != reads:
            os.close(writes)
        with pytest.raises(OSError, match=r"pipe|reset"):
            await soon(writing)
        with pytest.raises(OSError, match=r"pipe|reset"):
            await soon(streams.write(b"x"))


async def test_what_is_not_read_yet_waits_where_it_is(ends: Ends) -> None:
    """Nothing is taken from a client faster than it is served."""
    writes, _, incoming, outgoing = ends
    with DescriptorStreams(incoming, outgoing) as streams:
        os.write(writes, b"one")
        assert await soon(streams.read()) == b"one"
        os.write(writes, b"two")
        for _ in range(10):
            await asyncio.sleep(0)
        assert os.read(incoming, 100) == b"two"


async def test_descriptors_are_left_as_they_were(ends: Ends) -> None:
    _, _, incoming, outgoing = ends
    with DescriptorStreams(incoming, outgoing) as streams:
        await streams.write(b"x")
        assert not os.get_blocking(incoming)
    assert os.get_blocking(incoming)
    assert os.get_blocking(outgoing)


async def test_files(tmp_path: Path, opened: Any) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"x" * 100_000)
    incoming = opened(os.open(source, os.O_RDONLY))
    outgoing = opened(os.open(target, os.O_WRONLY | os.O_CREAT))
    with DescriptorStreams(incoming, outgoing) as streams:
        found = b""
        while data := await soon(streams.read()):
            found += data
        assert len(found) == 100_000
        await streams.write(found)
        await streams.flush()
    assert target.read_bytes() == found


async def test_nothing(opened: Any) -> None:
    incoming = opened(os.open(os.devnull, os.O_RDONLY))
    outgoing = opened(os.open(os.devnull, os.O_WRONLY))
    with DescriptorStreams(incoming, outgoing) as streams:
        assert await soon(streams.read()) == b""
        await streams.write(b"x")


async def test_a_terminal(opened: Any) -> None:
    person, program = map(opened, pty.openpty())
    with DescriptorStreams(program, program) as streams:
        # Whoever else has it open is not to find it changed.
        assert os.get_blocking(program)
        waiting = asyncio.ensure_future(streams.read())
        os.write(person, b"hello\n")
        assert await soon(waiting) == b"hello\n"
        waiting = asyncio.ensure_future(streams.read())
        await asyncio.sleep(0)
        streams.stop()
        assert await soon(waiting) == b""
        os.write(person, b"\n")  # Lets go of the thread.
