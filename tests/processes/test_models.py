"""What a plain Django process does to the rows of an exposed model, clients of others hear of."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys

from .client import client
from .conftest import Pair
from .strings import PATIENCE
from .test_changes import updated
from .workers import REPOSITORY


async def orm(pair: Pair, what: str, name: str) -> int:
    """Have a process of its own change a group, and wait until it has ended; the group's key."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.processes.site.orm", what, name),
        cwd=REPOSITORY,
        env={**os.environ, **pair.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        written, complaints = await process.communicate()
    assert (process.returncode, complaints) == (0, b"")
    return int(written)


async def test_what_the_orm_does_elsewhere_is_heard(pair: Pair) -> None:
    name = secrets.token_hex(4)
    uri = f"auth://groups/{await orm(pair, 'create', name)}"
    hidden = f"auth://groups/{await orm(pair, 'create', '.' + name)}"
    async with client() as one:
        listening = await one.subscribe(pair.a, uri, hidden)

        await orm(pair, "rename", "." + name)
        for change in ("rename", "bulk", "delete"):
            await orm(pair, change, name)
            assert await updated(listening) == uri


async def test_what_a_process_says_last_is_heard(pair: Pair) -> None:
    async with client() as one:
        listening = await one.subscribe(pair.a, "auth://groups")

        await orm(pair, "create", secrets.token_hex(4))

        assert await updated(listening) == "auth://groups"
