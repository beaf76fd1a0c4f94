"""How the hosts most people have are told of a server: the words of their configuration.

Owns the shape of an entry, for a server at a URL and for one that the host starts itself, and what
to paste where. Where the files of a host are, and how one is changed, is
`django_mcp.management.installing`.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from .words import gettext_noop as _

Entry = dict[str, Any]

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A program that connects to servers: its name for people, and how it writes one down.

    `servers` is the key under which entries stand. `url` and `headers` are the keys of an entry for
    a server at a URL; without a `url` the host only starts programs. `typed` entries say which kind
    they are of.
    """

    title: str
    servers: str = "mcpServers"
    url: str | None = "url"
    headers: str = "headers"
    typed: bool = False

    def at_url(self, url: str, headers: Mapping[str, str] = NOTHING) -> Entry:
        """The entry for a server at `url`, which is sent `headers`."""
        if self.url is None:
            return self.started(*_bridge(url, headers))
        sent = {self.headers: dict(headers)} if headers else {}
        kind = {"type": "http"} if self.typed else {}
        return {**kind, self.url: url, **sent}

    def started(self, command: str, args: Sequence[str], env: Mapping[str, str] = NOTHING) -> Entry:
        """The entry for a server that is `command` with `args`, in an environment with `env`."""
        more = {"env": dict(env)} if env else {}
        kind = {"type": "stdio"} if self.typed else {}
        return {**kind, "command": command, "args": list(args), **more}


#: The hosts by the names that commands take.
HOSTS: Final[Mapping[str, Host]] = MappingProxyType(
    {
        "claude-desktop": Host(title="Claude Desktop", url=None),
        "claude-code": Host(title="Claude Code", typed=True),
        "cursor": Host(title="Cursor"),
        "vscode": Host(title="VS Code", servers="servers", typed=True),
        "windsurf": Host(title="Windsurf", url="serverUrl"),
        "codex": Host(title="Codex", servers="mcp_servers", headers="http_headers"),
    }
)


class Snippet(NamedTuple):
    """The configuration of one host: its name, where the text goes, and the text.

    `where` is English, and marked: who shows it translates it.
    """

    host: str
    where: str
    text: str


def snippets(name: str, url: str) -> list[Snippet]:
    """The snippets for the server called `name` at `url`."""
    # What is pasted into a terminal is run, and whoever made the link chose a part of the URL.
    line = shlex.join(["claude", "mcp", "add", "--transport", "http", name, url])
    files = [
        ("claude-desktop", _("In claude_desktop_config.json (Settings, Developer, Edit Config)")),
        ("vscode", _("In .vscode/mcp.json")),
        ("cursor", _("In .cursor/mcp.json")),
    ]
    return [
        Snippet(HOSTS["claude-code"].title, _("In a terminal"), line),
        *(
            Snippet(HOSTS[host].title, where, written(HOSTS[host], name, HOSTS[host].at_url(url)))
            for host, where in files
        ),
    ]


def written(host: Host, name: str, entry: Entry) -> str:
    """The JSON of a configuration of `host` with nothing in it but this entry."""
    return json.dumps({host.servers: {name: entry}}, indent=2, ensure_ascii=False)


def _bridge(url: str, headers: Mapping[str, str]) -> tuple[str, list[str], Mapping[str, str]]:
    """A program that passes everything on to a URL. It reads what is secret from its environment,
    since everybody on the machine can see its arguments."""
    args, env = ["-y", "mcp-remote", url], {}
    for number, (name, value) in enumerate(headers.items(), 1):
        variable = f"MCP_HEADER_{number}"
        args += ["--header", f"{name}:${{{variable}}}"]
        env[variable] = value
    return "npx", args, env
