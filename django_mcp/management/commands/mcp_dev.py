"""manage.py mcp_dev: the project and the MCP Inspector, side by side.

Owns what is started and what is printed. How the two begin and end is `side_by_side`. The Inspector
is the protocol's own (https://github.com/modelcontextprotocol/inspector); its options and variables
are those of its versions 2.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import webbrowser
from argparse import ArgumentParser
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ..installing.entries import this_project
from ..named import server_called
from ..routes import Route, routes
from ..side_by_side import SideBySide, interrupted_by_signals, is_taken

HOST: Final = "127.0.0.1"
PACKAGE: Final = "@modelcontextprotocol/inspector"
#: What the Inspector needs.
NODE: Final = (22, 19)
#: Seconds in which the project has to listen, and the Inspector, which may have to be fetched.
PATIENCE: Final = 60.0
FETCHING: Final = 300.0


class Command(BaseCommand):
    """Runs both until Ctrl-C, or until one of them ends."""

    help = (
        "Runs this project and the MCP Inspector side by side, and prints the address that opens "
        "the Inspector connected to the project. Both end with Ctrl-C. Needs Node.js."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="Of the project. 8000.")
        parser.add_argument(
            "--inspector-port", type=int, default=6274, help="Of the Inspector. 6274."
        )
        parser.add_argument("--server", metavar="NAME", help="An MCPServer other than the default.")
        parser.add_argument(
            "--path", help="Where the server is, for a route that cannot be seen or has variables."
        )
        parser.add_argument(
            "--package",
            default=PACKAGE,
            help=f"What npx runs, with a version where you want one: {PACKAGE}@2.12.0.",
        )
        parser.add_argument("--open", action="store_true", help="Open the browser.")

    def handle(
        self,
        *args: Any,
        port: int,
        inspector_port: int,
        server: str | None,
        path: str | None,
        package: str,
        open: bool,
        **options: Any,
    ) -> None:
        npx = _npx()
        route = _route(server)
        for name, each in (("--port", port), ("--inspector-port", inspector_port)):
            if is_taken(HOST, each):
                raise CommandError(f"Something listens on {HOST}:{each} already: {name} another.")
        self._point_out_old_node()
        where = path or _path(route)
        url = f"http://{HOST}:{port}/{where.lstrip('/')}"
        token = secrets.token_urlsafe(24)
        # What the Inspector keeps of servers is not to be mixed with what its user has there.
        with (
            TemporaryDirectory(prefix="mcp_dev-") as directory,
            interrupted_by_signals(),
            SideBySide() as both,
        ):
            try:
                command, environment = _serving(route, port)
                both.start("The project", command, environment)
                if both.until_listening(HOST, port, PATIENCE):
                    both.start(
                        "The Inspector",
                        [npx, "-y", package, "--web"],
                        {
                            "HOST": HOST,
                            "CLIENT_PORT": str(inspector_port),
                            "MCP_INSPECTOR_API_TOKEN": token,
                            # Its own would open without the project: see `_announce`.
                            "MCP_AUTO_OPEN_ENABLED": "false",
                            "MCP_CATALOG_PATH": os.path.join(directory, "mcp.json"),
                        },
                    )
                    if both.until_listening(HOST, inspector_port, FETCHING):
                        self._announce(url, inspector_port, token, open)
                ended = both.until_one_ends()
            except KeyboardInterrupt:
                self.stdout.write("\nBoth are ended.")
                return
        raise CommandError(f"{ended.name} has ended, with status {ended.status}; so both have.")

    def _announce(self, url: str, port: int, token: str, open: bool) -> None:
        query = urlencode(
            {
                "MCP_INSPECTOR_API_TOKEN": token,
                "serverUrl": url,
                "transport": "http",
                "autoConnect": token,
            }
        )
        self.stdout.write(self.style.SUCCESS(f"\nThe server is at {url}. Inspect it at"))
        address = f"http://{HOST}:{port}/?{query}"
        self.stdout.write(f"  {address}")
        self.stdout.write(f"The Inspector's token is {token}. Ctrl-C ends both.\n")
        self.stdout.flush()
        if open:
            webbrowser.open(address)

    def _point_out_old_node(self) -> None:
        node = shutil.which("node")
        if node is None:
            return
        found = subprocess.run(  # noqa: S603 - no input from outside
            [node, "--version"], capture_output=True, text=True, timeout=30, check=False
        ).stdout.strip()
        version = tuple(map(int, re.findall(r"\d+", found)[:2]))
        if version and version < NODE:
            wanted = ".".join(map(str, NODE))
            self.stderr.write(
                f"The Inspector needs Node.js {wanted} or newer, and this is {found}: where it "
                "does not start, install a newer one."
            )


def _npx() -> str:
    found = shutil.which("npx")
    if found is None:
        raise CommandError(
            "npx is not there: install Node.js 22.19 or newer (https://nodejs.org), which brings "
            "it. The server itself needs none: manage.py runserver."
        )
    return found


def _route(name: str | None) -> Route | None:
    """The route over which the Inspector can reach the server, if one can be seen."""
    server = server_called(name)
    found = [each for each in routes() if each.server is server and each.transport == "http"]
    return found[0] if found else None


def _path(route: Route | None) -> str:
    if route is None:
        raise CommandError(
            "No route leads to the server: mount it (`manage.py mcp_list` says what is where), or "
            "name its path with --path."
        )
    if "<" in route.path or "(" in route.path:
        raise CommandError(f"The route {route.path!r} has variables: fill them in with --path.")
    return route.path


def _serving(route: Route | None, port: int) -> tuple[list[str], dict[str, str]]:
    """What serves the project on this machine alone: runserver, where that reaches the server."""
    command, environment = this_project()
    if apps.is_installed("daphne") or (route is not None and route.by == "ROOT_URLCONF"):
        return [*command, "runserver", f"{HOST}:{port}"], environment
    module, _, name = str(getattr(settings, "ASGI_APPLICATION", "")).rpartition(".")
    served = [command[0], "-m", "daphne", "--bind", HOST, "--port", str(port), f"{module}:{name}"]
    # Modules are found as this process found them, from whatever directory it was started.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return served, environment
