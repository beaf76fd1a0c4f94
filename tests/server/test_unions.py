"""Unions that contain themselves: which are refused, and that what is accepted stays cheap."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal, Union

import pytest
from pydantic import BaseModel, Discriminator, Field, JsonValue, Tag, field_validator
from typing_extensions import TypeAliasType

from django_mcp.server.errors import InvalidArguments, RegistrationError
from django_mcp.server.schemas import Arguments
from django_mcp.server.signatures import inspect_function


class Ctx:
    """Stands for the context."""


def arguments(annotation: Any) -> Arguments:
    def fn(x): ...  # type: ignore[no-untyped-def]

    fn.__annotations__ = {"x": annotation}
    return Arguments(inspect_function(fn, context_type=Ctx))


def refusal(annotation: Any) -> str:
    with pytest.raises(RegistrationError) as caught:
        arguments(annotation)
    return str(caught.value)


class Counted(BaseModel):
    """A model that counts how often a check comes to one of its values."""

    looks: ClassVar[list[Any]] = []
    mark: int = 0

    @field_validator("mark", mode="before")
    @classmethod
    def look(cls, value: Any) -> Any:
        Counted.looks.append(value)
        return value


# ---------------------------------------------------------------------------------------- refused


class All(BaseModel):
    of: list[Rule]


class Some(BaseModel):
    of: list[Rule]
    least: int = 1


class Has(BaseModel):
    word: str


Rule = Union[All, Some, Has]  # noqa: UP007, it is a forward reference above


class Wrap(BaseModel):
    inner: Wrapped


class Deep(BaseModel):
    inner: Middle


class Middle(BaseModel):
    inner: Wrapped


Wrapped = Union[Wrap, Deep]  # noqa: UP007


@dataclasses.dataclass
class Plus:
    left: Term
    right: Term


@dataclasses.dataclass
class Minus:
    left: Term
    right: Term


Term = Union[int, Plus, Minus]  # noqa: UP007


class Named(BaseModel):
    child: Tree


Tree = Union[Named, dict[str, Named], int]  # noqa: UP007

Heap = TypeAliasType("Heap", "int | list[Heap] | set[Heap]")
for model in (All, Some, Wrap, Deep, Middle, Named):
    model.model_rebuild()


def test_two_arms_that_lead_back_by_one_name_are_refused_with_the_remedy() -> None:
    assert refusal(Rule) == (
        "The parameters of fn() hold a union of All and Some that both contain it again under "
        "`of`: checking it takes twice as long with every level. Give each a tag, as in kind: "
        'Literal["a"], and write the union as Annotated[A | B, Field(discriminator="kind")], or '
        "keep only one of them."
    )


@pytest.mark.parametrize(
    "annotation", [Rule, All, list[Rule], dict[str, Rule], Rule | None, tuple[int, Some]]
)
def test_it_is_found_wherever_it_is(annotation: Any) -> None:
    assert "All and Some" in refusal(annotation)


@pytest.mark.parametrize(
    ("annotation", "arms"),
    [
        (Term, "Plus and Minus"),
        (Tree, "Named and object"),
        (Heap, "array and array"),
    ],
)
def test_it_is_found_in_other_types_too(annotation: Any, arms: str) -> None:
    assert f"a union of {arms} " in refusal(annotation)


def test_arms_that_take_a_different_number_of_levels_are_found() -> None:
    assert "Wrap and Deep" in refusal(Wrapped)


# --------------------------------------------------------------------------------------- accepted


class Folder(Counted):
    children: list[Entry] = []


class File(Counted):
    size: int


class Link(BaseModel):
    to: str


Entry = Union[Folder, File, Link]  # noqa: UP007


class And(Counted):
    all: list[Query]


class Or(Counted):
    any: list[Query]


Query = Union[And, Or, Has]  # noqa: UP007


class Left(Counted):
    kind: Literal["left"]
    of: list[Side]


class Right(Counted):
    kind: Literal["right"]
    of: list[Side]


Side = Annotated[Union[Left, Right], Field(discriminator="kind")]  # noqa: UP007


def side(value: Any) -> Any:
    return value.get("at") if isinstance(value, dict) else None


class Up(Counted):
    at: str
    of: list[Way]


class Down(Counted):
    at: str
    of: list[Way]


Way = Annotated[
    Union[Annotated[Up, Tag("up")], Annotated[Down, Tag("down")]],  # noqa: UP007
    Discriminator(side),
]


class Pair(Counted):
    both: tuple[Pair, Pair] | None = None
    left: Pair | None = None
    right: Pair | None = None


class Bag(Counted):
    of: Bag | list[Bag] | dict[str, int] | None = None


Json = TypeAliasType("Json", "bool | float | str | list[Json] | dict[str, Json] | None")
for model in (Folder, And, Or, Left, Right, Up, Down, Pair, Bag):
    model.model_rebuild()


@pytest.mark.parametrize("annotation", [Entry, Query, Side, Way, Pair, Bag, Json, JsonValue])
def test_what_leads_back_one_way_at_a_time_is_accepted(annotation: Any) -> None:
    arguments(annotation)
    arguments(list[annotation] | None)


def nested(inner: Any, name: str, levels: int, **more: Any) -> Any:
    for _ in range(levels):
        inner = {name: [inner], "mark": 1, **more}
    return inner


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Entry, nested({"size": "x"}, "children", 25)),
        (Query, nested({}, "all", 25, any=[])),
        (Side, nested({}, "of", 25, kind="left")),
        (Way, nested({}, "of", 25, at="down")),
    ],
)
def test_what_is_accepted_is_checked_in_as_many_steps_as_there_are_levels(
    annotation: Any, value: Any
) -> None:
    taken = arguments(annotation)

    Counted.looks.clear()
    with suppress(InvalidArguments):
        taken.validate({"x": value})

    assert 25 <= len(Counted.looks) <= 25 * 5
