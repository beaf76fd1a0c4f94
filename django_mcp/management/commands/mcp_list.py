"""manage.py mcp_list: what is registered, for whom, where it is served, and what is missing.

Owns how that looks in a terminal, and the exit status. What there is to say is `inventory`.
"""

from __future__ import annotations

import json
import shutil
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from textwrap import indent
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ...server.access import Principal
from ...transports.http.types import Refused
from ..inventory import ListedApp, ListedServer, apps_with_mcp, listed
from ..named import every_server, principal_called, server_called
from ..routes import routes
from ..tables import table


class Command(BaseCommand):
    """Prints tables, or JSON; ends with status 1 where something could not be registered."""

    help = (
        "Lists the tools, resources and prompts of this project's MCP servers, where they are "
        "served, and what could not be registered."
    )
    # What they would stop this command for is what it is there to explain.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--server", metavar="NAME", help="One server. By default all of them.")
        parser.add_argument(
            "--user",
            metavar="USERNAME",
            help="Say of each what this user sees, and why the user does not see the others.",
        )
        parser.add_argument("--schemas", action="store_true", help="Add the whole definitions.")
        parser.add_argument("--json", action="store_true", help="Print JSON for programs.")

    def handle(
        self,
        *args: Any,
        server: str | None,
        user: str | None,
        schemas: bool,
        json: bool,
        **options: Any,
    ) -> None:
        chosen = every_server() if server is None else [server_called(server)]
        principal = None if user is None else _principal(user)
        known = routes()
        servers = [listed(each, known, principal) for each in chosen]
        found = apps_with_mcp()
        lines = (
            [_json(servers, found, schemas)] if json else self._text(servers, found, user, schemas)
        )
        for line in lines:
            self.stdout.write(line)
        broken = [app.name for app in found if app.error is not None]
        left_out = [name for each in servers for name, _ in each.left_out]
        if broken or left_out:
            raise CommandError(f"Not registered: {', '.join(_sources(broken) + left_out)}.")

    def _text(
        self,
        servers: Sequence[ListedServer],
        found: Sequence[ListedApp],
        user: str | None,
        schemas: bool,
    ) -> Iterator[str]:
        for server in servers:
            yield from self._server(server, user, schemas)
        for app in found:
            if app.error is not None:
                yield self.style.ERROR(f"{app.name}.mcp could not be imported:")
                yield indent(app.error.rstrip(), "    ")
        names = ", ".join(app.name for app in found if app.error is None)
        yield f"Apps with an mcp.py: {names or 'none'}. Other apps register nothing by themselves."

    def _server(self, server: ListedServer, user: str | None, schemas: bool) -> Iterator[str]:
        yield self.style.MIGRATE_HEADING(f"Server {server.name}") + f" {server.version}".rstrip()
        for route in server.routes:
            yield f"  at {route.path} ({route.transport}, by {route.by})"
        if not server.routes:
            where = "ASGI_APPLICATION or ROOT_URLCONF"
            yield self.style.WARNING(f"  no route in {where} leads here; stdio does")
        yield ""
        heading = ["KIND", "NAME", "FOR", *(["SEEN"] if user is not None else []), "DESCRIPTION"]
        rows = [heading]
        for each in server.components:
            seen = [] if user is None else [each.reason or "yes"]
            description = each.description or each.title or ""
            rows.append([each.kind, each.name, each.rule or "everybody", *seen, description])
        if len(rows) == 1:
            yield "  Nothing is registered: write an mcp.py in an installed app."
        else:
            yield from table(rows, self._width())
        if schemas:
            for each in server.components:
                yield f"\n{each.kind} {each.name}, {each.function}"
                yield indent(_pretty(each.definition), "    ")
        for name, reason in server.left_out:
            yield self.style.ERROR(f"{name} is left out: {reason}")
        yield ""

    def _width(self) -> int | None:
        """The width of the terminal; None where the text goes elsewhere, which cuts nothing."""
        return shutil.get_terminal_size().columns if self.stdout.isatty() else None


def _principal(username: str) -> Principal:
    try:
        return principal_called(username)
    except Refused as refused:
        raise CommandError(refused.message) from None


def _sources(names: Sequence[str]) -> list[str]:
    return [f"{name}.mcp" for name in names]


def _json(servers: Sequence[ListedServer], found: Sequence[ListedApp], schemas: bool) -> str:
    return _pretty(
        {
            "servers": [server.as_json(schemas) for server in servers],
            "apps": [app.as_json() for app in found],
        }
    )


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
