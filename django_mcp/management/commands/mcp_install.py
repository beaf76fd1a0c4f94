"""manage.py mcp_install: this project's server in the configuration of a host.

Owns the options and what is said. What an entry is, is `installing.entries`; how a file is changed,
`installing.changes`.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from ...transports.http.hosts import HOSTS, Entry, Host, written
from ..calling.printing import printable
from ..installing import toml
from ..installing.changes import Change, change
from ..installing.entries import environment_of, name_of, served, started
from ..installing.errors import Uneditable, Unreadable
from ..installing.places import PLACES, Machine
from ..named import server_called

#: Prints the JSON that most hosts take, and changes nothing.
JSON: Final = "json"


class Command(BaseCommand):
    """Adds, replaces or removes one entry, and leaves everything else in the file as it is."""

    help = (
        "Tells a host (Claude Desktop, Claude Code, Cursor, VS Code, Windsurf, Codex) of this "
        "project's MCP server, in the host's own configuration."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("host", choices=[*HOSTS, JSON], help="Who is told.")
        parser.add_argument("--name", help="What the host calls it. By default the server's name.")
        parser.add_argument(
            "--scope",
            choices=["project", "user"],
            help="For this directory or for everything you do. By default what the host has first.",
        )
        parser.add_argument("--path", type=Path, metavar="FILE", help="Another file of the host's.")
        parser.add_argument("--server", metavar="NAME", help="An MCPServer other than the default.")
        parser.add_argument("--user", metavar="USERNAME", help="For stdio: who calls.")
        parser.add_argument(
            "--env",
            action="append",
            default=[],
            metavar="NAME[=VALUE]",
            help="For stdio: a variable of the environment. May be given several times.",
        )
        parser.add_argument("--url", help="Connect to the endpoint here, and start nothing.")
        parser.add_argument(
            "--header",
            action="append",
            default=[],
            metavar="'NAME: VALUE'",
            help="With --url: a header of each request. May be given several times.",
        )
        parser.add_argument(
            "--print", action="store_true", help="Print what to paste, and write nothing."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Show what would change, and write nothing."
        )
        parser.add_argument(
            "--force", action="store_true", help="Replace an entry of that name that differs."
        )
        parser.add_argument("--remove", action="store_true", help="Take the entry away.")

    def handle(self, *args: Any, host: str, **options: Any) -> None:
        _check(host, options)
        name = name_of(options["name"], server_called(options["server"]).name)
        found = HOSTS["cursor"] if host == JSON else HOSTS[host]
        entry = None if options["remove"] else _entry(found, options)
        if entry is not None and (host == JSON or options["print"]):
            self.stdout.write(_pasted(host, found, name, entry, options["scope"]))
            return
        path = _path(host, options["scope"], options["path"])
        with _left_as_it_is(path):
            wanted = change(path, found.servers, name, entry)
        self._change(wanted, found, options)

    def _change(self, found: Change, host: Host, options: dict[str, Any]) -> None:
        path, name = found.file.path, found.name
        if found.is_none:
            state = "is not there" if options["remove"] else "is there already"
            self.stdout.write(f"{name!r} {state}: nothing to change in {path}.")
            return
        differs = found.before is not None and found.after is not None
        if options["dry_run"]:
            self.stdout.write(printable(found.diff()))
            if differs and not options["force"]:
                self.stderr.write(f"There is another {name!r} already: --force would replace it.")
            return
        if differs and not options["force"]:
            raise CommandError(
                f"{path} has another server {name!r}. Replace it with --force, or choose another "
                f"--name. What would change:\n{printable(found.diff())}"
            )
        with _left_as_it_is(path):
            backup = found.make()
        done = "Removed" if options["remove"] else "Wrote"
        self.stdout.write(self.style.SUCCESS(f"{done} {name!r}: {path}"))
        if backup is not None:
            self.stdout.write(f"What the file was is kept in {backup.name}.")
        if found.has_secret and found.file.is_open_to_others:
            self.stderr.write(
                f"Others on this machine can read {path}, which holds a secret now: chmod 600."
            )
        self.stdout.write(f"Restart {host.title}, or have it load its servers again.")


@contextmanager
def _left_as_it_is(path: Path) -> Iterator[None]:
    """Raise CommandError for what keeps the file from being read, or written."""
    try:
        yield
    except (Unreadable, Uneditable) as error:
        raise CommandError(f"{path} is left as it is: {error}") from None
    except OSError as error:
        raise CommandError(f"{path} is left as it is: {error.strerror or error}") from None


def _check(host: str, options: dict[str, Any]) -> None:
    """Raise CommandError for options that do not go together."""
    if options["url"] is None and options["header"]:
        raise CommandError("--header is for --url: over stdio nobody sends headers.")
    if options["url"] is not None:
        for option in ("user", "env", "server"):
            if options[option]:
                raise CommandError(f"--{option} is for stdio: the URL says it all.")
    if options["path"] is not None and options["scope"] is not None:
        raise CommandError("--path names the file; leave --scope out.")
    if host == JSON and (options["remove"] or options["dry_run"] or options["path"]):
        raise CommandError("json only prints: there is no file to change.")


def _entry(host: Host, options: dict[str, Any]) -> Entry:
    if options["url"] is not None:
        return served(host, options["url"], options["header"])
    environment = environment_of(options["env"])
    return started(host, options["server"], options["user"], environment)


def _pasted(host: str, found: Host, name: str, entry: Entry, scope: str | None) -> str:
    if host == "claude-code":
        line = ["claude", "mcp", "add-json", name, json.dumps(entry, ensure_ascii=False)]
        return shlex.join([*line, "--scope", scope or next(iter(PLACES[host]))])
    if host == "codex":
        return toml.with_entry("", (found.servers, name), entry).rstrip("\n")
    return written(found, name, entry)


def _path(host: str, scope: str | None, given: Path | None) -> Path:
    """The file of the host for the scope; raises CommandError where the host has none."""
    if given is not None:
        return given.absolute()
    places = PLACES[host]
    if scope is not None and scope not in places:
        raise CommandError(f"{HOSTS[host].title} has only --scope {', '.join(places)}.")
    machine = Machine(
        platform=sys.platform, home=Path.home(), project=Path.cwd(), environment=os.environ
    )
    return places[scope or next(iter(places))](machine)
