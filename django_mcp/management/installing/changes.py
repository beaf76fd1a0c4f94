"""One entry of a host's configuration: what a change of it would be, and the change.

A change is made on the text, and read back: what comes out must mean what went in, and the entry.
What people are shown of it has no secrets in it.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from . import files, jsonc, toml
from .errors import Uneditable, Unreadable

#: What an entry may have in its environment that is no secret.
PLAIN: Final = frozenset({"DJANGO_SETTINGS_MODULE", "PYTHONPATH", "MCP_USER"})
#: Characters of a line that are shown; some hosts keep everything on one.
LONGEST_LINE: Final = 300
_SECRET_KEYS: Final = ("headers", "http_headers", "env")
#: What stands before the host of a URL: a name, and a password, or a token in place of both.
_USERINFO: Final = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#@\s:]*:)?([^/?#\s]+)@", re.IGNORECASE)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic|token)\s+[^\s\"',}]+")
_HIDDEN: Final = "********"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of a file: the entry before and after (None for none), and the whole text after."""

    file: files.File
    name: str
    before: Any
    after: Mapping[str, Any] | None
    text: str

    @property
    def is_none(self) -> bool:
        """True where the file says already what it should."""
        return bool(self.before == self.after)

    @property
    def has_secret(self) -> bool:
        """True where the entry holds something others should not read."""
        return self.after is not None and bool(set(_secrets(self.after)))

    def diff(self) -> str:
        """The change as a unified diff, with every secret hidden."""
        path = str(self.file.path)
        lines = difflib.unified_diff(
            self.file.text.splitlines(),
            self.text.splitlines(),
            fromfile=path if self.file.raw is not None else "/dev/null",
            tofile=path,
            n=0,  # What stands around it is somebody else's, and may be secret.
            lineterm="",
        )
        secrets = {*_secrets(self.before), *_secrets(self.after)}
        return "\n".join(_shown(line, secrets) for line in lines)

    def make(self) -> Path | None:
        """Write the file; return the backup, if there was something to keep."""
        return files.replace(self.file, self.text, private=self.has_secret)


def change(path: Path, servers: str, name: str, entry: Mapping[str, Any] | None) -> Change:
    """What it takes to have `entry` as the server `name` in the file at `path`; None to have none.

    Raises Unreadable or Uneditable for a file that cannot be changed, and OSError.
    """
    file = files.read(path)
    language: ModuleType = toml if path.suffix == ".toml" else jsonc
    where = (servers, name)
    before = language.entry(file.text, where)
    if before == entry:
        text = file.text
    elif entry is None:
        text = language.without_entry(file.text, where)
    else:
        text = language.with_entry(file.text, where, entry)
    _check(language, file.text, text, where, entry)
    return Change(file=file, name=name, before=before, after=entry, text=text)


def _check(language: ModuleType, old: str, new: str, where: Sequence[str], entry: Any) -> None:
    """Raise Uneditable where `new` does not mean what `old` does with `entry`."""
    expected = copy.deepcopy(_meaning(language, old))
    inner = expected
    for key in where[:-1]:
        inner = inner.setdefault(key, {}) if entry is not None else inner.get(key, {})
    if entry is None:
        inner.pop(where[-1], None)
    else:
        inner[where[-1]] = entry
    try:
        found = _meaning(language, new)
    except Unreadable:
        found = None
    if found != expected and not (entry is None and _pruned(found) == _pruned(expected)):
        raise Uneditable("it is written in a way that this command cannot change: do it by hand.")


def _pruned(value: Any) -> Any:
    """`value` without empty tables at the top, which TOML has no header for."""
    return {k: v for k, v in value.items() if v != {}} if isinstance(value, dict) else value


def _meaning(language: ModuleType, text: str) -> Any:
    if language is toml:
        return toml.parse(text)
    # Of a file with nothing in it, there is nothing to lose.
    return {} if jsonc.is_blank(text) else jsonc.parse(text).data


def _secrets(entry: Any) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        return
    for key in _SECRET_KEYS:
        values = entry.get(key)
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if name not in PLAIN and isinstance(value, str) and value:
                yield value
    for value in entry.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield from _USERINFO.findall(text)


def _shown(line: str, secrets: set[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        line = line.replace(json.dumps(secret, ensure_ascii=False)[1:-1], _HIDDEN)
    line = _BEARER.sub(lambda found: f"{found[1]} {_HIDDEN}", line)
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"
