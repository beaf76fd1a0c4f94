"""Values that are made anew for every call: frozen to a type checker, and to nobody else.

Everything else here that is a value is a frozen dataclass or a NamedTuple. Making one of the first,
and reading a field of the second, takes several times as long as with one of these; a call makes
half a dozen of them, and reads their fields over and over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(class_: type[T]) -> type[T]:
    """Make a dataclass with slots of a class, whose fields nobody sets once it is made."""
    return dataclass(slots=True)(class_)
