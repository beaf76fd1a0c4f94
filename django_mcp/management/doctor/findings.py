"""What an examination finds: values, one for each thing that was looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

#: Whether all is well, something is worth knowing, or something has to be done.
Level = Literal["ok", "note", "wrong"]

#: Characters of what a server says that are repeated.
LONGEST: Final = 200
#: Control characters, ends of lines, and what turns the direction of a line (Unicode Standard
#: Annex 9, section 2).
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `check` names it for programs; `advice` is what to do."""

    check: str
    level: Level
    text: str
    advice: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "level": self.level,
            "text": self.text,
            "advice": self.advice,
        }


@dataclass(slots=True)
class Report:
    """The findings, in the order in which they were made. No text holds one of `secrets`."""

    secrets: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)

    def ok(self, check: str, text: str) -> None:
        """`check` was made, and all is well."""
        self._add(check, "ok", text, "")

    def note(self, check: str, text: str, advice: str = "") -> None:
        """Something that may be meant to be so."""
        self._add(check, "note", text, advice)

    def wrong(self, check: str, text: str, advice: str) -> None:
        """Something that does not work, or is not safe."""
        self._add(check, "wrong", text, advice)

    @property
    def is_well(self) -> bool:
        """True where nothing is wrong."""
        return all(finding.level != "wrong" for finding in self.findings)

    def is_wrong(self, *checks: str) -> bool:
        """True where one of `checks` found something wrong."""
        return any(each.level == "wrong" and each.check in checks for each in self.findings)

    def _add(self, check: str, level: Level, text: str, advice: str) -> None:
        text, advice = self._clean(text), self._clean(advice)
        found = Finding(check=check, level=level, text=text, advice=advice)
        if found not in self.findings:
            self.findings.append(found)

    def _clean(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "********")
        return _CONTROLS.sub(" ", text)


def secrets_of(headers: Iterable[str]) -> tuple[str, ...]:
    """What must not be repeated of the values of headers: each, and the words in it."""
    found = {part for value in headers for part in (value, *value.split()) if len(part) > 6}
    return tuple(sorted(found, key=len, reverse=True))


def shortened(text: str) -> str:
    """The beginning of what somebody else wrote, on one line."""
    line = " ".join(_CONTROLS.sub(" ", text).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
