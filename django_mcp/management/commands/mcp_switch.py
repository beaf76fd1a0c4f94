"""manage.py mcp_switch: close a server, open it again, or see which are closed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ... import conf
from ...backends.switches import is_used, switches
from ...default import default_server, servers
from ...models import Switch


class Command(BaseCommand):
    """Turns the switch of a server, which every process heeds within seconds."""

    help = (
        "Closes an MCP server, or opens it again: requests to one that is closed are answered 503. "
        "Without a server, says which there are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("server", nargs="?", help="The name of the server.")
        way = parser.add_mutually_exclusive_group()
        way.add_argument("--close", action="store_true", help="Answer no more requests.")
        way.add_argument("--open", action="store_true", help="Answer requests again.")
        parser.add_argument("--reason", default="", help="What clients are told.")
        parser.add_argument(
            "--retry-after",
            type=int,
            default=60,
            metavar="SECONDS",
            help="In how many seconds clients may come again. By default 60.",
        )

    def handle(
        self,
        *args: Any,
        server: str | None,
        close: bool,
        open: bool,
        reason: str,
        retry_after: int,
        **options: Any,
    ) -> None:
        names = sorted({each.name for each in (*servers(), default_server())})
        if server is None:
            if close or open:
                raise CommandError(f"Which server? There is {', '.join(map(repr, names))}.")
            self._list(names)
            return
        if server not in names:
            raise CommandError(
                f"There is no MCP server {server!r}; there is {', '.join(map(repr, names))}."
            )
        if not (close or open):
            raise CommandError("Say what to do: --close or --open.")
        if not 1 <= retry_after <= 86_400:
            raise CommandError(f"--retry-after is from 1 to 86,400 seconds, not {retry_after}.")
        if len(reason) > 255:
            raise CommandError("--reason has 255 characters at most.")
        if not is_used(conf.get()):
            raise CommandError(
                'Switches are not heeded here: set DJANGO_MCP["KILL_SWITCH"] to True.'
            )
        Switch.objects.update_or_create(
            server=server, defaults={"closed": close, "reason": reason, "retry_after": retry_after}
        )
        switches().forget()
        self.stdout.write(f"{server} is {'closed' if close else 'open'}.")

    def _list(self, names: list[str]) -> None:
        closed = set(Switch.objects.filter(closed=True).values_list("server", flat=True))
        for name in names:
            self.stdout.write(f"{name}: {'closed' if name in closed else 'open'}")
