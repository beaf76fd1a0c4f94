"""Say how to connect to the library: ``manage.py how_to_connect http://127.0.0.1:8000``."""

import shlex
import sys
from textwrap import indent
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from django_mcp import default_server
from django_mcp.transports.http.hosts import HOSTS, snippets, written


class Command(BaseCommand):
    help = "Prints what to paste into Claude Code, Claude Desktop, VS Code and Cursor."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("base", help="the site's address, such as http://127.0.0.1:8000")

    def handle(self, *args: Any, base: str, **options: Any) -> None:
        base = base.rstrip("/")
        endpoint = f"{base}/mcp"
        self.stdout.write(f"\nThe library is at {base}/ and its MCP endpoint at {endpoint}\n")
        for snippet in snippets(default_server().name, endpoint):
            self.stdout.write(f"\n{snippet.host}. {snippet.where}:\n")
            self.stdout.write(indent(snippet.text, "  "))
        socket = base.replace("http", "ws", 1) + "/ws"
        self.stdout.write(
            f"\nOver HTTP+SSE: {base}/sse; over WebSocket (subprotocol mcp): {socket}\n"
        )
        self.stdout.write("\nOver stdio the client starts the library itself. For Claude Code:\n")
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "mcp_stdio"]
        line = ["claude", "mcp", "add", "library-stdio", "--", *command]
        self.stdout.write(indent(shlex.join(line), "  "))
        self.stdout.write("\nFor Claude Desktop and Cursor:\n")
        host = HOSTS["claude-desktop"]
        entry = host.started(command[0], command[1:])
        self.stdout.write(indent(written(host, "library-stdio", entry), "  "))
        self.stdout.write(
            "\nOr have it written into a host's configuration; and ask the server how it is:\n"
        )
        python = shlex.join(command[:2])
        self.stdout.write(f"  {python} mcp_install claude-desktop --dry-run\n")
        self.stdout.write(f"  {python} mcp_doctor {endpoint}\n")
