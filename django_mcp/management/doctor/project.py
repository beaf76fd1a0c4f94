"""The settings of this process, and what they name: is it there, and fit for others to use?"""

from __future__ import annotations

import asyncio
import re
import secrets
from contextlib import suppress
from typing import Any, Final

from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.apps import apps
from django.core import checks
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from ... import conf
from ...backends.channel_layer import is_shared
from ..inventory import apps_with_mcp
from ..named import every_server
from ..routes import routes
from .findings import Report, shortened

#: Seconds that what the settings name has to answer.
PATIENCE: Final = 5.0
#: Checks of Django's own that are about what an endpoint rests on.
DJANGO: Final = frozenset({"security.W009", "security.W018", "security.W020"})
_CREDENTIALS: Final = re.compile(r"//[^/@\s]*@")


async def check_project(report: Report, *, is_public: bool) -> None:
    """Everything that can be seen from here; `is_public` where others are to reach the project."""
    if not _check_settings(report, is_public):
        return
    _check_registration(report)
    await sync_to_async(_check_database)(report)
    await sync_to_async(_check_cache)(report)
    await _check_layer(report)


def _check_settings(report: Report, is_public: bool) -> bool:
    """System checks; False where DJANGO_MCP cannot be read, and nothing more can be said."""
    found = checks.run_checks(include_deployment_checks=True)
    # Those of --deploy cannot know how many processes there are, or what is meant.
    certain = checks.run_checks()
    ours = [
        each
        for each in found
        if (str(each.id).startswith("django_mcp.") or each.id in DJANGO) and not each.is_silenced()
    ]
    for message in ours:
        text, advice = f"{message.id}: {message.msg}", message.hint or ""
        if (message.id in DJANGO and not is_public) or (
            message.id not in DJANGO and message not in certain
        ):
            report.note("settings", text, advice)
        else:
            report.wrong("settings", text, advice)
    if not ours:
        report.ok("settings", "System checks find nothing, those of --deploy included.")
    try:
        conf.get()
    except ImproperlyConfigured:
        return False
    return True


def _check_registration(report: Report) -> None:
    for app in apps_with_mcp():
        if app.error is not None:
            last = app.error.strip().splitlines()[-1]
            report.wrong(
                "registration",
                f"{app.name}.mcp could not be imported: {shortened(last)}",
                "`manage.py mcp_list` shows the traceback. No server starts until this is mended.",
            )
    known = routes()
    for server in every_server():
        paths = [route.path for route in known if route.server is server]
        if paths:
            report.ok("routes", f"The server {server.name!r} is at {', '.join(paths)}.")
        else:
            report.note("routes", f"No route leads to the server {server.name!r}; stdio does.")


def _check_database(report: Report) -> None:
    if conf.get().sessions != "database":
        return
    alias = router.db_for_write(apps.get_model("django_mcp", "Session"))
    connection = connections[alias]
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        ours = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] == "django_mcp"]
        missing = executor.migration_plan(ours)
    except Exception as error:
        report.wrong(
            "database",
            f"The database {alias!r}, which keeps sessions, cannot be reached: {_said(error)}",
            "Look at DATABASES, and whether the database runs.",
        )
        return
    if missing:
        report.wrong(
            "database",
            f"The database {alias!r} has no tables for sessions: {len(missing)} migrations of "
            "django_mcp are not applied.",
            "manage.py migrate",
        )
        return
    if getattr(connection, "is_in_memory_db", bool)():
        report.note("database", "Sessions are kept in a database in memory, of each process alone.")
        return
    report.ok("database", f"The database {alias!r} is there, and has the tables for sessions.")


def _check_cache(report: Report) -> None:
    if conf.get().sessions != "cache":
        return
    alias, value = conf.get().sessions_cache, secrets.token_hex(8)
    try:
        cache = caches[alias]
        cache.set(f"mcp-doctor-{value}", value, 30)
        found = cache.get(f"mcp-doctor-{value}")
        cache.delete(f"mcp-doctor-{value}")
    except Exception as error:
        text = f"The cache {alias!r}, which keeps sessions, cannot be used: {_said(error)}"
        report.wrong("cache", text, "Look at CACHES, and whether the cache runs.")
        return
    if found == value:
        report.ok("cache", f"The cache {alias!r} keeps what it is given.")
    else:
        text = f"The cache {alias!r} did not keep what it was given."
        report.wrong("cache", text, "Name a cache that keeps things in SESSIONS_CACHE.")


async def _check_layer(report: Report) -> None:
    alias = conf.get().channel_layer
    if not is_shared(alias):
        return  # Which a check says.
    try:
        async with asyncio.timeout(PATIENCE):
            value = await _carried(alias)
    except TimeoutError:
        report.wrong(
            "channel layer",
            f"The channel layer {alias!r} did not deliver within {PATIENCE:g} s.",
            "Look at CHANNEL_LAYERS, and at what it names.",
        )
    except Exception as error:
        report.wrong(
            "channel layer",
            f"The channel layer {alias!r} cannot be used: {_said(error)}",
            "Look at CHANNEL_LAYERS, and whether what it names runs.",
        )
    else:
        if value:
            report.ok("channel layer", f"The channel layer {alias!r} carries messages.")
        else:
            text = f"The channel layer {alias!r} delivers something else than was sent."
            report.wrong("channel layer", text, "Look at what else uses it.")


async def _carried(alias: str) -> bool:
    """Whether one instance of the layer hears what another one sends to a group."""
    hearing: Any = channel_layers.make_backend(alias)
    sending: Any = channel_layers.make_backend(alias)
    group, sent = f"mcp-doctor.{secrets.token_hex(8)}", {"type": "test", "text": "1"}
    try:
        channel = await hearing.new_channel()
        await hearing.group_add(group, channel)
        await sending.group_send(group, sent)
        received = await hearing.receive(channel)
        await hearing.group_discard(group, channel)
    finally:
        for layer in (hearing, sending):
            with suppress(Exception):
                await layer.close_pools()
    return bool(received.get("text") == sent["text"])


def _said(error: BaseException) -> str:
    """An error in a line, without what may be a password in it."""
    return shortened(f"{type(error).__name__}: {_CREDENTIALS.sub('//', str(error))}")
