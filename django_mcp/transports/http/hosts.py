"""What to paste into the hosts most people have, so that they connect to a server's URL."""

from __future__ import annotations

import json
import shlex
from typing import Any, NamedTuple


class Snippet(NamedTuple):
    """The configuration of one host: its name, where the text goes, and the text."""

    host: str
    where: str
    text: str


def snippets(name: str, url: str) -> list[Snippet]:
    """The snippets for the server called `name` at `url`."""
    # Claude Desktop starts a program for each server, and this one passes everything on to a URL.
    bridge = {"command": "npx", "args": ["-y", "mcp-remote", url]}
    # What is pasted into a terminal is run, and whoever made the link chose a part of the URL.
    line = shlex.join(["claude", "mcp", "add", "--transport", "http", name, url])
    return [
        Snippet("Claude Code", "In a terminal", line),
        Snippet(
            "Claude Desktop",
            "In claude_desktop_config.json (Settings, Developer, Edit Config)",
            _json({"mcpServers": {name: bridge}}),
        ),
        Snippet(
            "VS Code",
            "In .vscode/mcp.json",
            _json({"servers": {name: {"type": "http", "url": url}}}),
        ),
        Snippet("Cursor", "In .cursor/mcp.json", _json({"mcpServers": {name: {"url": url}}})),
    ]


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
