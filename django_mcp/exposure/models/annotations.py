"""Annotations made while the program runs, of what models say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from pydantic import Field, with_config
from typing_extensions import TypedDict


def record(name: str, members: Mapping[str, Any]) -> Any:
    """An object with these members, all of them required."""
    return TypedDict(name, dict(members))  # type: ignore[operator]


def some(name: str, members: Mapping[str, Any]) -> Any:
    """An object with some of these members, and no others."""
    optional = {each: NotRequired[annotation] for each, annotation in members.items()}
    return with_config(extra="forbid")(record(name, optional))


def list_of(item: Any, shortest: int | None = None, longest: int | None = None) -> Any:
    """A list of `item`."""
    found: Any = list[item]
    if shortest is None and longest is None:
        return found
    return Annotated[found, Field(min_length=shortest, max_length=longest)]


def described(annotation: Any, title: str = "", description: str = "") -> Any:
    """`annotation` with what people call it, and what it is for."""
    if not title and not description:
        return annotation
    return Annotated[annotation, Field(title=title or None, description=description or None)]
