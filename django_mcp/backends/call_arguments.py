"""What is kept of a call's arguments, by DJANGO_MCP["AUDIT_ARGUMENTS"].

Owns the four policies, and that nothing large or secret gets into a row. What a tool declares as
secret (SecretStr, `writeOnly`, the format "password") is left out whatever the policy; names that
look like secrets, where it says "redacted". Writing the row is `journal`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from .. import conf
from ..protocol import jsonrpc
from ..server.exchange import Exchange
from .secret_names import looks_secret
from .texts import storable

#: In the place of what is left out, and of what is too much.
REDACTED: Final = "•••"
CUT: Final = "…"
#: Bytes of JSON that are kept of the arguments of one call, characters of a text in them, of a
#: name, members and levels.
MOST_BYTES: Final = 4096
LONGEST_TEXT: Final = 500
LONGEST_NAME: Final = 100
MOST_MEMBERS: Final = 200
DEEPEST: Final = 8

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Names of what lets somebody in or pays, beside those `looks_secret` knows.
_ALSO: Final = re.compile(
    r"authorization|(?:^|_)auth(?:$|_)|bearer|cookie|signature|card_?number|(?:^|_)pwd(?:$|_)"
)

Schema = Mapping[str, Any]


def kept_of(exchange: Exchange, settings: conf.Settings) -> Any:
    """The arguments of a call as they are to be kept, None for nothing."""
    given = exchange.request.params.get("arguments")
    if not exchange.target or not isinstance(given, dict):
        return None
    policy = _policy(settings.audit_arguments, exchange.target)
    if policy == "none":
        return None
    if policy == "names":
        names = [storable(name, LONGEST_NAME) for name in list(given)[:MOST_MEMBERS]]
        return _bounded(names, [])
    schema = _schema_of(exchange)
    redaction = _Redaction(
        by_name=policy == "redacted",
        patterns=[pattern.lower() for pattern in settings.audit_redact],
        definitions=schema.get("$defs", {}),
    )
    return _bounded(redaction.of(given, [schema], 0), sorted(map(str, given))[:MOST_MEMBERS])


def _policy(said: conf.Policy | Mapping[str, conf.Policy], target: str) -> conf.Policy:
    if isinstance(said, str):
        return said
    return said.get(target, said.get("*", "none"))


def _schema_of(exchange: Exchange) -> Schema:
    tool = exchange.server.tools.find(exchange.target)
    return {} if tool is None else tool.definition.input_schema


def _bounded(value: Any, names: Sequence[str]) -> Any:
    """`value` where it is small enough, else what it is of."""
    size = len(jsonrpc.dumps(value))
    if size <= MOST_BYTES:
        return value
    kept: dict[str, str] = {}
    for name in names:
        kept[storable(name, LONGEST_NAME)] = CUT
        if len(kept) >= MOST_BYTES // (4 * LONGEST_NAME + 10):
            break
    return {**kept, CUT: f"{size:,} bytes"}


@dataclass(kw_only=True)
class _Redaction:
    """One value on its way into a row. `left` is how many more of its members are looked at."""

    by_name: bool
    patterns: Sequence[str]
    definitions: Mapping[str, Any]
    left: int = field(default=MOST_MEMBERS)

    def of(self, value: Any, schemas: Sequence[Schema], depth: int) -> Any:
        """`value`, which one of `schemas` describes, without its secrets."""
        schemas = self._alternatives(schemas)
        if any(_is_secret(schema) for schema in schemas):
            return REDACTED
        if isinstance(value, str):
            cut = storable(value, LONGEST_TEXT)
            return cut if len(value) <= LONGEST_TEXT else cut + CUT
        if not isinstance(value, dict | list):
            return value
        if depth >= DEEPEST:
            return CUT
        if isinstance(value, list):
            items = [s["items"] for s in schemas if isinstance(s.get("items"), dict)]
            return [self.of(item, items, depth + 1) for item in value[: self._take(len(value))]]
        kept = {}
        for name in list(value)[: self._take(len(value))]:
            member = value[name]
            if not (self.by_name and self._is_named(name)):
                member = self.of(member, _members(schemas, name), depth + 1)
            else:
                member = REDACTED
            kept[storable(name, LONGEST_NAME)] = member
        return kept

    def _take(self, wanted: int) -> int:
        taken = min(wanted, self.left)
        self.left -= taken
        return taken

    def _is_named(self, name: str) -> bool:
        plain = _CAMEL.sub("_", name).replace("-", "_").lower()
        return (
            looks_secret(plain)
            or _ALSO.search(plain) is not None
            or any(fnmatchcase(plain, pattern) for pattern in self.patterns)
        )

    def _alternatives(self, schemas: Sequence[Schema]) -> list[Schema]:
        """Each schema that may describe the value: references followed, alternatives by
        themselves."""
        found: list[Schema] = []
        waiting = [*schemas]
        while waiting and len(found) < MOST_MEMBERS:
            schema = waiting.pop()
            if any(schema is seen for seen in found):
                continue
            found.append(schema)
            reference = str(schema.get("$ref", ""))
            named = self.definitions.get(reference.removeprefix("#/$defs/"))
            waiting += [s for s in (named,) if isinstance(s, Mapping)]
            for keyword in ("anyOf", "oneOf", "allOf"):
                branches = schema.get(keyword)
                if isinstance(branches, list):
                    waiting += [branch for branch in branches if isinstance(branch, Mapping)]
        return found


def _is_secret(schema: Schema) -> bool:
    return schema.get("writeOnly") is True or schema.get("format") == "password"


def _members(schemas: Sequence[Schema], name: str) -> list[Schema]:
    found = []
    for schema in schemas:
        properties = schema.get("properties")
        member = properties.get(name) if isinstance(properties, Mapping) else None
        if member is None:
            member = schema.get("additionalProperties")
        if isinstance(member, Mapping):
            found.append(member)
    return found
