"""manage.py mcp_stdio: one server for the client that started this process.

Owns what is settled before the first message: which server, for whom, what is logged, and when the
process ends. What is said is `transports.stdio`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from ... import conf
from ...server.access import LOCAL
from ...server.exchange import Caller
from ...server.server import MCPServer
from ...transports import standard_streams
from ...transports.descriptors import DescriptorStreams
from ...transports.http.types import Refused
from ...transports.staying import Stay, Stays
from ...transports.stdio import GRACE, LAST_WORDS, Stdio
from ..named import principal_called, server_called

LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
#: Seconds after SIGTERM in which everything ends by itself, or is cancelled.
PATIENCE: Final = GRACE + 2 * LAST_WORDS
#: Seconds that functions in threads, which nobody can cancel, keep the process after its end.
OVERTIME: Final = 0.3


class Command(BaseCommand):
    """Serves on standard input and output until the client closes them."""

    help = (
        "Serves an MCP server to one local client, over standard input and output. It is started "
        "by the client; nothing else can be printed there meanwhile."
    )
    # They take longer than everything else here, and `manage.py check` is there for them.
    requires_system_checks = ()

    _is_process = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--server", metavar="NAME", help="An MCPServer other than the default.")
        parser.add_argument(
            "--user",
            metavar="USERNAME",
            default=os.environ.get("MCP_USER") or None,
            help="The user whose permissions apply. By default MCP_USER of the environment, or "
            "nobody.",
        )
        parser.add_argument(
            "--log-level",
            choices=LOG_LEVELS,
            type=str.lower,
            help="Log what django_mcp says from this level on to standard error.",
        )

    def run_from_argv(self, argv: list[str]) -> None:
        self._is_process = True
        super().run_from_argv(argv)

    def handle(
        self,
        *args: Any,
        server: str | None,
        user: str | None,
        log_level: str | None,
        **options: Any,
    ) -> None:
        if self._is_process:
            standard_streams.take()
        if log_level is not None:
            _log(log_level)
        with standard_streams.taken() as streams:
            endpoint = _endpoint(server_called(server), user)
            # What is loaded by now stays for good: no full collection is to walk all of it.
            gc.freeze()
            refused = asyncio.run(self._serve(endpoint, streams))
        if refused is not None:
            # A host shows what is on standard error, and nothing else says why it was left.
            raise CommandError(f"The connection has ended. {refused.message}")

    async def _serve(
        self, endpoint: Stdio, taken: standard_streams.StandardStreams
    ) -> Refused | None:
        loop = asyncio.get_running_loop()
        with DescriptorStreams(taken.incoming, taken.outgoing) as streams:
            serving = loop.create_task(_serve(endpoint, streams))

            def stop() -> None:
                streams.stop()
                loop.call_later(PATIENCE, serving.cancel)

            if os.name == "posix":
                for number in (signal.SIGTERM, signal.SIGINT):
                    loop.add_signal_handler(number, stop)
            await asyncio.wait([serving])
        is_well = serving.cancelled() or not (serving.exception() or serving.result())
        if self._is_process:
            _end_soon(0 if is_well else 1)
        return None if serving.cancelled() else serving.result()


async def _serve(endpoint: Stdio, streams: DescriptorStreams) -> Refused | None:
    await endpoint.server.startup()
    try:
        return await endpoint(streams)
    finally:
        await endpoint.server.shutdown()


def _end_soon(status: int) -> None:
    """End this process even where a function in a thread never does."""
    timer = threading.Timer(OVERTIME, _end, [status])
    timer.daemon = True
    timer.start()


def _end(status: int) -> None:
    logging.shutdown()
    sys.stderr.flush()
    os._exit(status)


def _endpoint(server: MCPServer, username: str | None) -> Stdio:
    settings = conf.get()
    stay = Stay(Caller(LOCAL))
    if username is not None:
        try:
            caller = Caller(principal_called(username))
        except Refused as refused:
            raise CommandError(refused.message) from None
        finally:
            connections.close_all()

        async def ask() -> Caller:
            return Caller(await server.workers.run_sync(principal_called, username))

        stay = Stays(settings.reauthenticate_every or 0).stay(caller, ask)

    return Stdio(
        server=server,
        stay=stay,
        max_body=settings.max_body_bytes,
        max_depth=settings.max_json_depth,
    )


def _log(level: str) -> None:
    """Have the log of this package written from `level` on, if not by the project then here."""
    logger = logging.getLogger("django_mcp")
    logger.setLevel(level.upper())
    if not logger.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
