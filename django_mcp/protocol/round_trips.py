"""Questions that travel inside results: what is asked and answered, what `requestState` holds.

Owns the content of a request state and its JSON form. Sealing it, so that a client can neither
read it into another call nor change it, is `server.request_state`; asking, `server.asking`.
Source: 2026-07-28, basic/patterns/mrtr.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def digest(value: Any) -> str:
    """A short fingerprint of any JSON value; equal values have equal fingerprints."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    """What one round leaves for the next.

    `call` is the fingerprint of the call it belongs to. `asked` maps the key of every question sent
    to the fingerprint of the question, so that an answer counts for that very question only;
    `answers` maps the keys that were answered in earlier rounds to the client's results.
    `correlation` is what the rounds of a call are noted under.
    """

    call: str
    asked: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    correlation: str = ""

    def to_json(self) -> dict[str, Any]:
        """The state as JSON, with one-letter names because it travels in every round."""
        wire = {"c": self.call, "q": dict(self.asked), "a": dict(self.answers)}
        return {**wire, "i": self.correlation} if self.correlation else wire

    @classmethod
    def from_json(cls, data: Any) -> RequestState:
        """Read what `to_json` wrote; raises ValueError for anything else."""
        try:
            call, asked, answers = data["c"], data["q"], data["a"]
            correlation = data.get("i", "")
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError("not a request state") from error
        if not (isinstance(call, str) and isinstance(asked, dict) and isinstance(answers, dict)):
            raise ValueError("not a request state")
        if not isinstance(correlation, str):
            raise ValueError("not a request state")
        return cls(call=call, asked=asked, answers=answers, correlation=correlation)


def call_fingerprint(
    *,
    principal: str,
    server: str,
    place: Mapping[str, Any],
    method: str,
    target: str,
    arguments: Mapping[str, Any] | None,
) -> str:
    """The fingerprint of a call: the same caller, server, place, method, target and arguments.

    `place` is what the URL of the endpoint said: at /orgs/blue/mcp a call is another one than at
    /orgs/red/mcp.
    """
    where = {name: str(value) for name, value in place.items()}
    return digest([principal, server, where, method, target, arguments or {}])
