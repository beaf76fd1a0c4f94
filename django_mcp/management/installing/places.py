"""Where each host keeps its configuration, on each platform.

From the hosts' documentation: modelcontextprotocol.io/docs/develop/connect-local-servers (Claude
Desktop), code.claude.com/docs/en/mcp, cursor.com/docs/mcp,
code.visualstudio.com/docs/agents/reference/mcp-configuration, developers.openai.com/codex/mcp and
docs.windsurf.com/windsurf/cascade/mcp.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What it depends on where files are: `platform` is one of sys.platform."""

    platform: str
    home: Path
    project: Path
    environment: Mapping[str, str]

    @property
    def app_data(self) -> Path:
        """The directory in which programs keep the settings of a user."""
        if self.platform == "win32":
            return self._named("APPDATA", self.home / "AppData" / "Roaming")
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        return self._named("XDG_CONFIG_HOME", self.home / ".config")

    def _named(self, variable: str, default: Path) -> Path:
        value = self.environment.get(variable)
        return Path(value) if value else default

    @property
    def claude_json(self) -> Path:
        return self._named("CLAUDE_CONFIG_DIR", self.home) / ".claude.json"

    @property
    def codex_home(self) -> Path:
        return self._named("CODEX_HOME", self.home / ".codex")


Place = Callable[[Machine], Path]

#: The file of each host for each scope it has, its default scope first.
PLACES: Final[Mapping[str, Mapping[str, Place]]] = MappingProxyType(
    {
        "claude-desktop": {
            "user": lambda machine: machine.app_data / "Claude" / "claude_desktop_config.json"
        },
        "claude-code": {
            "project": lambda machine: machine.project / ".mcp.json",
            "user": lambda machine: machine.claude_json,
        },
        "cursor": {
            "project": lambda machine: machine.project / ".cursor" / "mcp.json",
            "user": lambda machine: machine.home / ".cursor" / "mcp.json",
        },
        "vscode": {
            "project": lambda machine: machine.project / ".vscode" / "mcp.json",
            "user": lambda machine: machine.app_data / "Code" / "User" / "mcp.json",
        },
        "windsurf": {
            "user": lambda machine: machine.home / ".codeium" / "windsurf" / "mcp_config.json"
        },
        "codex": {
            "user": lambda machine: machine.codex_home / "config.toml",
            "project": lambda machine: machine.project / ".codex" / "config.toml",
        },
    }
)
