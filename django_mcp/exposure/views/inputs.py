"""The arguments of a view's tool, and which part of a request each one becomes.

An argument goes to the path, to the query string, to a form, or to a JSON body. Where two of them
have one name, the one nearer to the end of this list is called after its place ("query_id").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from django.core.files.uploadedfile import SimpleUploadedFile

from ...server.errors import RegistrationError
from .browser import Write, pairs_of

Place = Literal["path", "query", "form", "json", "whole"]

#: What a place is called in the name of an argument.
_PREFIXES: Final = {"query": "query_", "form": "body_", "json": "body_", "whole": "body_"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One argument: `key` is what it is called in the part of the request that `place` names.

    "whole" is a JSON body that is this one value. `write` gives the pairs of a name and a text that
    a query string or a form has for a value. `preset` is what a form has in it before anybody has
    filled it in: it is sent where the argument is left out. What is `kept` stays as it is where it
    is left out, as files do on pages.
    """

    name: str
    place: Place
    schema: Mapping[str, Any]
    required: bool = False
    key: str = ""
    write: Write | None = None
    preset: Any = None
    kept: bool = False

    def pairs(self, value: Any) -> Iterable[tuple[str, str | SimpleUploadedFile]]:
        return pairs_of(self.key or self.name, value) if self.write is None else self.write(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The arguments of one call, put where they belong. `form` and `json` are None for no body."""

    path: dict[str, Any]
    query: list[tuple[str, str]]
    form: list[tuple[str, str | SimpleUploadedFile]] | None
    json: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Some arguments, with the definitions their schemas refer to."""

    inputs: tuple[Input, ...] = ()
    definitions: Mapping[str, Any] = field(default_factory=dict)
    #: Whether there is a body even where no argument for it is given.
    place: Place | None = None


class Inputs:
    """All arguments of a tool: their schema, and `parts` for each call."""

    def __init__(self, sources: Sequence[Source], descriptions: Mapping[str, str]) -> None:
        """`descriptions` are for arguments whose schema says nothing of them.

        Raises RegistrationError where sources mean different things by one definition.
        """
        self._inputs: dict[str, Input] = {}
        self._definitions: dict[str, Any] = {}
        self._places = {source.place for source in sources if source.place is not None}
        for source in sources:
            self._define(source.definitions)
            for each in source.inputs:
                self._add(each)
        self.schema = self._schema(descriptions)

    def _add(self, given: Input) -> None:
        name = given.name
        if name in self._inputs:
            name = _PREFIXES.get(given.place, "") + name
        if name in self._inputs:
            raise RegistrationError(
                f"There are two arguments {given.name!r} in the {given.place} of the request: "
                "leave one of them out of query= or body=."
            )
        self._inputs[name] = replace(given, name=name, key=given.key or given.name)

    def _define(self, definitions: Mapping[str, Any]) -> None:
        for name, schema in definitions.items():
            if self._definitions.setdefault(name, schema) != schema:
                raise RegistrationError(
                    f"query= and body= both define {name!r}, and differently: give one of the two "
                    "classes another name."
                )

    def _schema(self, descriptions: Mapping[str, str]) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for name, given in self._inputs.items():
            properties[name] = dict(given.schema)
            if name in descriptions:
                properties[name].setdefault("description", descriptions[name])
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        required = [name for name, given in self._inputs.items() if given.required]
        if required:
            schema["required"] = required
        if definitions := referred(properties, self._definitions):
            schema["$defs"] = definitions
        schema["additionalProperties"] = False
        return schema

    def parts(self, arguments: Mapping[str, Any]) -> Parts:
        """The parts of the request that checked `arguments` become; raises ValueError for a file
        that cannot be read, with the name of its argument."""
        path: dict[str, Any] = {}
        query: list[tuple[str, str]] = []
        form: list[tuple[str, str | SimpleUploadedFile]] | None = (
            [] if "form" in self._places else None
        )
        json: Any = {} if "json" in self._places else None
        for name, given in self._inputs.items():
            value = arguments.get(name, given.preset)
            if name not in arguments and value is None:
                continue
            if given.place == "path":
                path[given.key] = value
            elif given.place == "query":
                query.extend((key, str(each)) for key, each in given.pairs(value))
            elif given.place == "form":
                form = form if form is not None else []
                try:
                    form.extend(given.pairs(value))
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
            elif given.place == "whole":
                json = value
            else:
                json = json if json is not None else {}
                json[given.key] = value
        return Parts(path=path, query=query, form=form, json=json)


def referred(schema: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `definitions` that `schema` refers to, and those that they refer to."""
    found: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, Mapping):
            reference = each.get("$ref")
            name = reference.removeprefix("#/$defs/") if isinstance(reference, str) else ""
            if name in definitions and name not in found:
                found[name] = definitions[name]
                waiting.append(definitions[name])
            waiting.extend(each.values())
    return {name: found[name] for name in definitions if name in found}
