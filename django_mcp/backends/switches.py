"""Which servers are closed, as the table of switches has it: seen by every process within seconds.

A request looks at what this process read last. Where that is some seconds old it reads the table
again, all of it with one query, so that there is one query in REFRESH seconds and process, however
many requests there are. While the database is away, what was read last goes on to hold.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import cache
from typing import Final

from django.apps import apps
from django.db import Error, router

from .. import conf
from ..server.gates import Closed
from .threads import DjangoWorkers

logger = logging.getLogger("django_mcp")

#: Seconds for which what was read is good.
REFRESH: Final = 2.0


class Switches:
    """The switches as this process knows them."""

    def __init__(self) -> None:
        self._workers = DjangoWorkers(1, atomic=False)
        self._closed: Mapping[str, tuple[str, int]] = {}
        self._read_at = -REFRESH
        self._is_away = False

    def forget(self) -> None:
        """Read the table with the next request."""
        self._read_at = -REFRESH

    async def check(self, server: str) -> None:
        """Raise Closed where the server of this name is closed."""
        now = time.monotonic()
        if now - self._read_at >= REFRESH:
            # First, so that only one reads, and the others go on with what is known.
            self._read_at = now
            await self._workers.run_sync(self._read)
        found = self._closed.get(server)
        if found is not None:
            reason, retry_after = found
            raise Closed(reason or "This server is closed for the moment.", retry_after)

    def _read(self) -> None:
        try:
            # Where it is written: a replica may not know yet what was done a moment ago.
            model = apps.get_model("django_mcp", "Switch")
            rows = model._base_manager.using(router.db_for_write(model)).filter(closed=True)
            self._closed = {row.server: (row.reason, row.retry_after) for row in rows}
            self._is_away = False
        except Error as error:
            # As before the project's first migration: once, and without a traceback.
            if not self._is_away:
                self._is_away = True
                logger.warning(
                    "It cannot be read which servers are closed, what was known holds: %s", error
                )


@cache
def switches() -> Switches:
    """The switches of this process."""
    return Switches()


def is_used(settings: conf.Settings) -> bool:
    """True where servers can be closed."""
    return settings.kill_switch
