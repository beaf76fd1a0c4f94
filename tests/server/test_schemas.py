"""What a function takes: the schema it is announced with, and the arguments of a call."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import difflib
import enum
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator
from pydantic_core import to_json
from typing_extensions import TypeAliasType, TypedDict

from django_mcp.protocol import problems as wording
from django_mcp.protocol.json_schema import budgets
from django_mcp.server import mending
from django_mcp.server.errors import InvalidArguments, RegistrationError, ToolError
from django_mcp.server.mending import mended
from django_mcp.server.schemas import Arguments, RawArguments
from django_mcp.server.signatures import inspect_function


class Ctx:
    """Stands for the context."""


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Book(BaseModel):
    """A book on a shelf."""

    title: str
    pages: int = Field(default=1, ge=1)
    subtitle: str | None = None


class Node(BaseModel):
    children: list[Node] = []


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Range(TypedDict):
    low: int
    high: int


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


class Plain:
    """Nothing that JSON knows."""


def arguments(fn: Callable[..., Any]) -> Arguments:
    return Arguments(inspect_function(fn, context_type=Ctx))


def schema(fn: Callable[..., Any]) -> dict[str, Any]:
    return arguments(fn).input_schema


def schema_of(annotation: Any, **options: Any) -> dict[str, Any]:
    """The schema of one parameter ``x`` of that type."""
    found: dict[str, Any] = schema(function_of(annotation, **options))["properties"]["x"]
    return found


def function_of(annotation: Any, **options: Any) -> Callable[..., Any]:
    def fn(x): ...  # type: ignore[no-untyped-def]

    fn.__annotations__ = {"x": annotation}
    if "default" in options:
        fn.__defaults__ = (options["default"],)
    return fn


def never(*args: Any, **options: Any) -> Any:
    """Stands for what is not to be called."""
    pytest.fail("this was called")


def accepted(annotation: Any, value: Any) -> Any:
    return arguments(function_of(annotation)).validate({"x": value})["x"]


def problems(fn: Callable[..., Any], given: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidArguments) as caught:
        arguments(fn).validate(given)
    return list(caught.value.problems)


def refused(annotation: Any, value: Any) -> str:
    (line,) = problems(function_of(annotation), {"x": value})
    return line


# ------------------------------------------------------------------------------- the input schema


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    def fn() -> None: ...

    assert schema(fn) == {"type": "object", "properties": {}, "additionalProperties": False}
    assert arguments(fn).validate({}) == {}


def test_the_schema_has_types_defaults_constraints_and_descriptions_and_no_titles() -> None:
    def fn(
        ctx: Ctx,
        a: int,
        colour: Colour,
        size: Literal["s", "m"] = "m",
        limit: Annotated[int, Field(ge=1, le=9)] = 5,
        word: Annotated[str, "A word."] = "x",
        day: datetime.date = datetime.date(2026, 1, 31),
    ) -> None:
        """Do it.

        Args:
            a: The first.
        """

    assert schema(fn) == {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "description": "The first."},
            "colour": {"$ref": "#/$defs/Colour"},
            "size": {"type": "string", "enum": ["s", "m"], "default": "m"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 9, "default": 5},
            "word": {"type": "string", "description": "A word.", "default": "x"},
            "day": {"type": "string", "format": "date", "default": "2026-01-31"},
        },
        "required": ["a", "colour"],
        "additionalProperties": False,
        "$defs": {"Colour": {"type": "string", "enum": ["red", "blue"]}},
    }


def test_a_model_keeps_its_docstring_and_a_title_that_was_chosen() -> None:
    class Shelf(BaseModel):
        model_config = {"title": "Where books stand"}
        name: str = Field(title="Its name")

    def fn(book: Book, shelf: Shelf) -> None: ...

    definitions = schema(fn)["$defs"]

    assert definitions["Book"] == {
        "type": "object",
        "description": "A book on a shelf.",
        "properties": {
            "title": {"type": "string"},
            "pages": {"type": "integer", "minimum": 1, "default": 1},
            "subtitle": {"type": "string"},
        },
        "required": ["title"],
    }
    assert definitions["Shelf"]["title"] == "Where books stand"
    assert definitions["Shelf"]["properties"]["name"]["title"] == "Its name"


def test_an_optional_parameter_reads_as_its_type_and_may_be_left_out_or_null() -> None:
    def fn(x: int | None = None, y: Optional[list[str] | int] = None) -> None: ...  # noqa: UP045

    found = schema(fn)

    assert found["properties"] == {
        "x": {"type": "integer"},
        "y": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "integer"}]},
    }
    assert "required" not in found
    assert arguments(fn).validate({"x": None}) == {"x": None, "y": None}


def test_a_nullable_parameter_without_default_says_that_null_is_a_value() -> None:
    assert schema_of(int | None) == {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def test_a_header_annotation_stands_on_a_single_type_even_when_optional() -> None:
    region = Annotated[str | None, Field(json_schema_extra={"x-mcp-header": "Region"})]

    assert schema_of(region, default=None) == {"type": "string", "x-mcp-header": "Region"}


def test_an_alias_is_the_name_on_the_wire() -> None:
    def fn(from_: Annotated[str, Field(alias="from")], json: str, schema: str) -> None: ...

    assert list(schema(fn)["properties"]) == ["from", "json", "schema"]
    given = {"from": "a", "json": "b", "schema": "c"}
    assert arguments(fn).validate(given) == {"from_": "a", "json": "b", "schema": "c"}


def test_a_default_that_json_cannot_write_is_left_out_of_the_schema() -> None:
    default = object()

    assert schema_of(Any, default=default) == {}
    assert arguments(function_of(Any, default=default)).validate({}) == {"x": default}


def test_a_field_as_default_brings_its_default_and_constraints() -> None:
    def fn(x: int = Field(default=3, ge=1, description="How many.")) -> None: ...

    assert schema(fn)["properties"]["x"] == {
        "type": "integer",
        "minimum": 1,
        "default": 3,
        "description": "How many.",
    }
    assert arguments(fn).validate({}) == {"x": 3}


def test_a_type_that_holds_itself_keeps_its_definition() -> None:
    found = schema(function_of(Node))

    assert found["properties"]["x"] == {"$ref": "#/$defs/Node"}
    assert found["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}


@pytest.mark.parametrize(
    "annotation", [Plain, Callable[[], int], type[int], int | Callable[[], int], Iterator[int]]
)
def test_a_type_without_json_is_refused_with_the_parameter_and_the_remedy(annotation: Any) -> None:
    fn = function_of(annotation)

    with pytest.raises(RegistrationError) as caught:
        arguments(fn)

    assert str(caught.value).startswith("Parameter `x` of fn() cannot be described in JSON Schema")
    assert str(caught.value).endswith(
        "use a type that JSON has, a dataclass, a TypedDict or a pydantic model."
    )


# ------------------------------------------------------------------------------ accepted arguments


def test_values_arrive_as_the_types_the_function_declares() -> None:
    identity = uuid.uuid4()

    assert accepted(Book, {"title": "A", "subtitle": None}) == Book(title="A")
    assert accepted(Point, {"x": 1, "y": 2}) == Point(1, 2)
    assert accepted(Range, {"low": 1, "high": 2}) == {"low": 1, "high": 2}
    assert accepted(list[Book], [{"title": "A"}]) == [Book(title="A")]
    assert accepted(Annotated[Cat | Dog, Field(discriminator="kind")], {"kind": "dog"}) == Dog(
        kind="dog"
    )
    assert accepted(Colour, "red") is Colour.RED
    assert accepted(datetime.date, "2026-01-31") == datetime.date(2026, 1, 31)
    assert accepted(uuid.UUID, str(identity)) == identity
    assert accepted(decimal.Decimal, "1.50") == decimal.Decimal("1.50")
    assert accepted(set[int], [1, 2]) == {1, 2}
    assert accepted(tuple[int, str], [1, "a"]) == (1, "a")
    assert accepted(Any, {"a": [None]}) == {"a": [None]}
    assert accepted(dict, {"a": 1}) == {"a": 1}
    assert accepted(str | int, "2") == "2"


def test_an_integer_is_a_float_too() -> None:
    value = accepted(float, 1)

    assert value == 1.0
    assert isinstance(value, float)


def test_a_whole_number_with_a_point_is_an_integer() -> None:
    assert type(accepted(int, 2.0)) is int
    assert accepted(Book, {"title": "A", "pages": 3.0}) == Book(title="A", pages=3)
    assert accepted(list[int], [1, 2.0, 3]) == [1, 2, 3]


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (list[int], "[1, 2]", [1, 2]),
        (list[int], "[1, 2.0]", [1, 2]),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Book, '{"title": "A"}', Book(title="A")),
        (list[int] | None, "[1]", [1]),
        (int | list[int], "[1]", [1]),
        (int, "2", 2),
        (int, "2.0", 2),
        (float, "2.5", 2.5),
        (bool, "true", True),
        (int | None, "null", None),
        (Literal[1, 2], "2", 2),
    ],
)
def test_json_in_a_string_is_read_where_no_string_is_wanted(
    annotation: Any, text: str, value: Any
) -> None:
    assert accepted(annotation, text) == value


def test_a_string_stays_a_string_where_one_is_wanted() -> None:
    assert accepted(str, "[1, 2]") == "[1, 2]"
    assert accepted(str | list[int], "[1, 2]") == "[1, 2]"
    assert accepted(Any, "[1, 2]") == "[1, 2]"


def test_the_callers_object_is_not_changed() -> None:
    given = {"x": "[1, 2.0]"}

    arguments(function_of(list[int])).validate(given)

    assert given == {"x": "[1, 2.0]"}


def test_a_mutable_default_is_not_shared_between_calls() -> None:
    def fn(tags: list[str] = []) -> None: ...  # noqa: B006

    taken = arguments(fn)
    taken.validate({})["tags"].append("a")

    assert taken.validate({}) == {"tags": []}


def test_each_call_gets_a_dict_of_its_own() -> None:
    def fn(a: int) -> None: ...

    taken, given = arguments(fn), {"a": 1}
    taken.validate(given)["ctx"] = object()

    assert taken.validate(given) == {"a": 1}
    assert given == {"a": 1}


# ------------------------------------------------------------------------------- refused arguments


def test_the_text_of_the_error_names_the_tool_and_has_a_line_for_each_problem() -> None:
    def add(a: int, b: int) -> None: ...

    with pytest.raises(ToolError) as caught:
        arguments(add).validate({"a": "two", "c": 1})

    assert str(caught.value) == (
        "The arguments of `add` are not valid:\n"
        '- a: should be an integer; got "two"\n'
        "- b: is missing; expected an integer\n"
        "- c: is not an argument; there are `a`, `b`"
    )


@pytest.mark.parametrize("annotation", [int, float, decimal.Decimal, datetime.date, str])
def test_true_is_never_a_number_a_date_or_a_text(annotation: Any) -> None:
    assert refused(annotation, True).endswith("; got true")


def test_true_is_no_integer_inside_a_model_either() -> None:
    assert refused(Book, {"title": "A", "pages": True}) == "x.pages: should be an integer; got true"
    assert refused(list[int], [1, True]) == "x[1]: should be an integer; got true"


@pytest.mark.parametrize("value", [0, 1, "yes", "True"])
def test_only_true_and_false_are_booleans(value: Any) -> None:
    assert refused(bool, value) == f"x: should be true or false; got {json.dumps(value)}"


@pytest.mark.parametrize("annotation", [float, Any, dict, Book, list[float], float | str])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(
    annotation: Any, number: float
) -> None:
    value = {dict: {"a": number}, Book: {"title": "A", "note": number}, list[float]: [number]}
    given = value.get(annotation, number)

    assert "should be a finite number" in refused(annotation, given)


def test_a_text_that_mentions_infinity_is_no_number() -> None:
    assert accepted(str, "NaN and Infinity") == "NaN and Infinity"


def test_the_nearest_name_is_offered_for_an_unknown_argument() -> None:
    def fn(book_id: int = 1, title: str = "") -> None: ...

    assert problems(fn, {"bookid": 1}) == ["bookid: is not an argument; did you mean `book_id`?"]


def test_an_alias_hides_the_name_of_the_parameter() -> None:
    def fn(from_: Annotated[int, Field(alias="from")] = 1) -> None: ...

    assert problems(fn, {"from_": 1}) == ["from_: is not an argument; did you mean `from`?"]


@pytest.mark.parametrize(
    ("annotation", "value", "line"),
    [
        (Annotated[int, Field(ge=3)], 2, "x: should be greater than or equal to 3; got 2"),
        (Annotated[str, Field(min_length=3)], "a", 'x: should have at least 3 characters; got "a"'),
        (Annotated[list[int], Field(max_length=1)], [1, 2],
         "x: should have at most 1 item, not 2; got [1,2]"),
        (Literal["a", "b"], "c", "x: should be 'a' or 'b'; got \"c\""),
        (Colour, "green", "x: should be 'red' or 'blue'; got \"green\""),
        (Book, 3, "x: should be an object; got 3"),
        (Point, [], "x: should be an object; got []"),
        (Book, {}, "x.title: is missing"),
        (dict[str, int], {"a": "b"}, 'x.a: should be an integer; got "b"'),
        (list[Book], [{"title": 3}], "x[0].title: should be a string; got 3"),
        (int | str, [], "x: should be an integer, or should be a string; got []"),
        (int | None, "a", 'x: should be an integer; got "a"'),
        (uuid.UUID, 3, "x: should be a UUID as a string; got 3"),
        (int, 2.5, "x: should be an integer; got 2.5"),
    ],
)  # fmt: skip
def test_a_line_says_where_what_is_expected_and_what_came(
    annotation: Any, value: Any, line: str
) -> None:
    assert refused(annotation, value) == line


def test_the_arms_of_a_union_show_no_class_names() -> None:
    lines = problems(function_of(Cat | Point), {"x": {"lives": "many"}})

    assert lines[:2] == ["x.kind: is missing", 'x.lives: should be an integer; got "many"']
    assert not any("Cat" in line or "Point" in line for line in lines)


def test_nothing_of_pydantic_is_shown() -> None:
    with pytest.raises(InvalidArguments) as caught:
        arguments(function_of(Book)).validate({"x": {"title": 1, "pages": 0}})

    for word in ("pydantic", "http", "Input", "Book", "type="):
        assert word not in str(caught.value)


def test_a_long_value_is_shortened() -> None:
    line = refused(int, "a" * 10_000)

    assert line.endswith("aaa…")
    assert len(line) < 120


def test_a_great_many_problems_are_counted() -> None:
    lines = problems(function_of(list[int]), {"x": ["a"] * 1000})

    assert len(lines) == 21
    assert lines[-1] == "and 980 more"


def test_more_problems_than_are_looked_at_are_only_counted() -> None:
    assert problems(function_of(list[int]), {"x": ["a"] * 1001}) == [
        "arguments: have 1001 problems, too many to name any"
    ]
    assert problems(function_of(int | None), {str(number): 1 for number in range(1001)}) == [
        "arguments: have 1002 problems, too many to name any"
    ]


def test_only_what_is_shown_is_put_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def close(name: str, *args: Any, **options: Any) -> list[str]:
        looked_up.append(name)
        return []

    looked_up: list[str] = []
    monkeypatch.setattr(difflib, "get_close_matches", close)
    names = {f"y{number}": 1 for number in range(500)}

    lines = problems(function_of(int), {"x": 1, **names})

    assert lines[-1] == "and 480 more"
    assert looked_up == list(names)[:20]


def test_no_near_name_is_searched_for_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difflib, "get_close_matches", never)

    (line,) = problems(function_of(int), {"x": 1, "y" * 61: 1})

    assert line == f"{'y' * 59}…: is not an argument; there are `x`"


def test_long_names_and_paths_are_shown_in_part() -> None:
    deep: Any = "a"
    for _ in range(40):
        deep = {"name" * 1000: deep}
    nested = TypeAliasType("nested", "int | dict[str, nested]")

    lines = problems(function_of(nested), {"x": deep})

    assert all(line.startswith("x.namename") for line in lines[1:20])
    assert all(len(line) < 500 for line in lines)


@pytest.mark.parametrize(
    "value",
    ["a" * 100_000, [[1] * 100_000] * 20, {"a" * 100_000: 1}, [{"a": {"b": ["c"] * 10**6}}]],
)
def test_of_a_long_value_only_the_beginning_is_written(
    monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    def write(part: Any, **options: Any) -> bytes:
        written.append(to_json(part, **options))
        return written[-1]

    written: list[bytes] = []
    monkeypatch.setattr(wording, "to_json", write)

    line = refused(datetime.date | int, value)

    expected = json.dumps(value, separators=(",", ":"))[:59]
    assert line.endswith(f", or should be an integer; got {expected}…")
    assert sum(map(len, written)) < 1000


def test_what_a_validator_of_the_author_says_is_passed_on() -> None:
    class Even(BaseModel):
        n: int

        @field_validator("n")
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError(f"{value} is odd")
            return value

    assert refused(Even, {"n": 3}) == "x.n: 3 is odd; got 3"


def test_half_a_surrogate_pair_is_refused() -> None:
    assert refused(str, "\ud800") == (
        "arguments: a text has half of a surrogate pair, which is no Unicode"
    )


def test_a_string_with_hostile_json_in_it_is_refused_like_any_other() -> None:
    assert refused(list[int], "[" * 100_000).startswith("x: should be an array; got ")
    assert refused(list[float], "[NaN]").startswith("x: should be an array; got ")
    assert "finite" in refused(list[float], "[1e999]")


def test_json_in_a_string_is_not_read_where_it_is_nested_too_deeply() -> None:
    def lists(levels: int) -> str:
        return "[" * levels + "]" * levels

    assert accepted(list[Any], lists(64)) == json.loads(lists(64))
    assert refused(list[Any], lists(65)).startswith('x: should be an array; got "[[[')


# ----------------------------------------------------------------------------------------- mending


def error_of(annotation: Any, given: dict[str, Any]) -> ValidationError:
    """What pydantic finds wrong with arguments of one type each."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(dict[str, annotation]).validate_python(given, strict=True)
    return caught.value


def test_only_what_leads_to_a_change_is_copied() -> None:
    given = {"a": [[1], [2.0, 3.0]], "b": [[4]]}

    better = mended(given, error_of(list[list[int]], given))

    assert better == {"a": [[1], [2, 3]], "b": [[4]]}
    assert given == {"a": [[1], [2.0, 3.0]], "b": [[4]]}
    assert better["b"] is given["b"]
    assert better["a"][0] is given["a"][0]


def test_what_is_wrong_in_a_great_many_places_is_not_mended() -> None:
    few, many = {"a": [2.0] * 1000}, {"a": [2.0] * 1001}

    assert mended(few, error_of(list[int], few)) == {"a": [2] * 1000}
    assert mended(many, error_of(list[int], many)) is None


def test_a_text_that_no_arm_of_a_union_takes_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    monkeypatch.setattr(mending.json, "loads", lambda text, **options: reads.append(text) or text)
    given = {"a": "x", "b": "y"}

    assert mended(given, error_of(int | float | bool | list[int], given)) is None
    assert reads == ["x", "y"]


def test_arguments_with_no_number_in_doubt_are_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "non_finite", never)

    assert accepted(list[float], [1, 2.0]) == [1.0, 2.0]
    assert refused(list[float], ["x"]) == 'x[0]: should be a number; got "x"'
    assert RawArguments(WEATHER).validate({"city": "Rome"})


# -------------------------------------------------------------------------------- raw JSON Schema

WEATHER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {"city": {"type": "string", "minLength": 2}},
    "type": "object",
    "properties": {
        "city": {"$ref": "#/$defs/city"},
        "days": {"type": "integer", "minimum": 1},
        "unit": {"enum": ["C", "F"]},
        "place": {"anyOf": [{"type": "string"}, {"type": "array"}]},
        "parts": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    },
    "required": ["city"],
    "additionalProperties": False,
    "x-own": True,
}


def raw_problems(schema: dict[str, Any], given: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidArguments) as caught:
        RawArguments(schema, name="weather").validate(given)
    return list(caught.value.problems)


def raw_refusal(schema: Any) -> str:
    with pytest.raises(RegistrationError) as caught:
        RawArguments(schema)
    return str(caught.value)


def test_a_raw_schema_is_published_word_by_word() -> None:
    assert RawArguments(WEATHER).input_schema == WEATHER
    assert list(RawArguments(WEATHER).input_schema) == list(WEATHER)


def test_a_later_change_of_the_authors_dict_changes_nothing() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    taken = RawArguments(schema)
    schema["properties"]["a"]["type"] = "string"

    assert taken.input_schema["properties"] == {"a": {"type": "integer"}}
    assert taken.validate({"a": 1}) == {"arguments": {"a": 1}}


def test_the_function_gets_the_whole_object() -> None:
    given = {"city": "Rome", "days": 2}

    assert RawArguments(WEATHER).validate(given) == {"arguments": given}


def test_a_raw_schema_lets_no_half_of_a_surrogate_pair_in() -> None:
    assert raw_problems(WEATHER, {"city": "Ro\ud800me"}) == [
        "arguments: a text has half of a surrogate pair, which is no Unicode"
    ]


def test_a_raw_schema_is_enforced_in_the_same_words() -> None:
    given = {"city": "R", "days": True, "unit": "K", "place": 3, "parts": [{}], "town": 1}

    assert raw_problems(WEATHER, given) == [
        "town: is not an argument; there are `city`, `days`, `unit`, `place`, `parts`",
        'city: should have at least 2 characters; got "R"',
        "days: should be an integer; got true",
        "parts[0].name: is missing",
        "place: fits none of the allowed forms (place: should be a string; got 3 | place: should "
        "be an array; got 3); got 3",
        'unit: should be "C" or "F"; got "K"',
    ]
    assert raw_problems(WEATHER, {}) == ["city: is missing"]
    assert raw_problems(WEATHER, {"city": "Rome", "days": 1e400}) == [
        "days: should be a finite number"
    ]


@pytest.mark.parametrize(
    "dialect",
    [
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema#",
    ],
)
def test_three_dialects_are_known(dialect: str) -> None:
    schema = {"$schema": dialect, "type": "object", "properties": {"a": {"const": 1}}}

    assert raw_problems(schema, {"a": 2}) == ["a: should be 1; got 2"]


def test_another_dialect_is_refused_by_name() -> None:
    text = raw_refusal({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"})

    assert "'http://json-schema.org/draft-04/schema#', which is not supported" in text
    assert "https://json-schema.org/draft/2020-12/schema" in text


def test_what_is_no_object_schema_is_refused() -> None:
    assert "has the type 'array'" in raw_refusal({"type": "array"})
    assert "has the type None" in raw_refusal({})
    assert "has the type None" in raw_refusal(True)


def test_what_is_no_schema_is_refused_with_the_place() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "text"}}}

    assert raw_refusal(schema).startswith(
        "The input schema is not valid at properties.a.type: 'text' is not valid"
    )
    assert "not JSON" in raw_refusal({"type": "object", "default": object()})


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.com/schema.json",
        "http://127.0.0.1:1/x",
        "file:///etc/passwd",
        "other.json",
        "#/$defs/missing",
        "#nowhere",
    ],
)
def test_a_reference_that_leads_out_of_the_schema_is_refused(reference: str) -> None:
    schema = {"type": "object", "properties": {"a": {"items": {"$ref": reference}}}}

    assert f'refers to "{reference}", which is not inside it' in raw_refusal(schema)


def test_a_reference_behind_a_reference_is_refused_too() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/components/a"}},
        "components": {"a": {"$ref": "https://example.com/b"}},
    }

    assert 'refers to "https://example.com/b"' in raw_refusal(schema)


def test_references_by_id_and_anchor_stay_inside() -> None:
    schema = {
        "$id": "https://example.com/root",
        "type": "object",
        "properties": {"a": {"$ref": "item"}, "b": {"$ref": "#here"}, "c": {"$ref": "#"}},
        "$defs": {"i": {"$id": "item", "type": "integer"}, "h": {"$anchor": "here", "const": 1}},
    }

    assert raw_problems(schema, {"a": "x", "b": 2, "c": {"a": "y"}}) == [
        'a: should be an integer; got "x"',
        "b: should be 1; got 2",
        'c.a: should be an integer; got "y"',
    ]


def test_references_in_a_circle_are_refused() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/b"}},
        "$defs": {"b": {"$ref": "#/$defs/c"}, "c": {"$ref": "#/$defs/b"}},
    }

    assert "in a circle" in raw_refusal(schema)


def test_a_circle_through_all_of_ends_the_call_and_not_the_server() -> None:
    schema = {"type": "object", "allOf": [{"$ref": "#"}]}

    assert raw_problems(schema, {}) == ["arguments: are nested too deep to be checked"]


TOO_COMPLEX = ["arguments: are too complex to be checked; send less, or less deeply nested"]


def holding(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}, **more}


def folded(levels: int, inner: Any = 1) -> Any:
    for _ in range(levels):
        inner = {"a": inner}
    return inner


@pytest.mark.parametrize(("keyword", "inner"), [("oneOf", 1), ("anyOf", 1), ("allOf", {})])
@pytest.mark.parametrize("root", [{}, {"$schema": "https://json-schema.org/draft/2020-12/schema"}])
def test_a_schema_that_contains_itself_several_times_cannot_keep_a_call_busy(
    keyword: str, inner: Any, root: dict[str, Any]
) -> None:
    arm = {"type": "object", "properties": {"a": {"$ref": "#"}}}
    schema = {"type": "object", **root, keyword: [arm, arm, arm]}

    assert raw_problems(schema, folded(40, inner)) == TOO_COMPLEX


def test_what_every_keyword_costs_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = holding({"items": {"type": "integer"}})
    given = {"x": [1] * 8}

    # type and properties, then items with eight members, then the type of each.
    monkeypatch.setattr(budgets, "MOST_STEPS", 2 + 9 + 8)
    assert RawArguments(schema).validate(given)
    monkeypatch.setattr(budgets, "MOST_STEPS", 2 + 9 + 7)
    assert raw_problems(schema, given) == TOO_COMPLEX


def test_every_call_has_its_own_budget() -> None:
    taken = RawArguments(holding({"items": {"type": "integer"}}))

    for _ in range(3):
        assert taken.validate({"x": [1] * 40_000})


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": {}}, [1] * 100_000),
        ({"prefixItems": [{}]}, [1] * 100_000),
        ({"contains": {}, "minContains": 0}, [1] * 100_000),
        ({"additionalProperties": {}}, {str(number): 1 for number in range(100_000)}),
        ({"propertyNames": {}}, {str(number): 1 for number in range(100_000)}),
        ({"patternProperties": {"^1$": {}}}, {str(number): 1 for number in range(100_000)}),
        ({"items": True, "unevaluatedItems": False}, [1] * 10_000),
        ({"unevaluatedProperties": True}, {str(number): 1 for number in range(10_000)}),
        ({"anyOf": [{"type": "string", "maxLength": size} for size in range(20)]}, [1] * 300_000),
    ],
)
def test_work_that_no_schema_of_a_member_accounts_for_is_counted_too(
    schema: dict[str, Any], value: Any
) -> None:
    assert raw_problems(holding(schema), {"x": value}) == TOO_COMPLEX


def test_looking_for_problems_stops_with_the_most_that_is_shown() -> None:
    # To find all of them would take more steps than there are.
    lines = raw_problems(holding({"items": {"type": "integer"}}), {"x": ["a"] * 40_000})

    assert len(lines) == 21
    assert lines[0] == 'x[0]: should be an integer; got "a"'
    assert lines[-1] == "and more"

    names = {f"name{number}": 1 for number in range(40_000)}
    lines = raw_problems(holding({}, additionalProperties=False), names)

    assert len(lines) == 21
    assert lines[-1] == "and more"


def test_forms_made_of_forms_are_not_unfolded() -> None:
    arms = [{"properties": {"a": {"$ref": "#/$defs/n"}}, "required": [name]} for name in "pqrs"]
    schema = holding({"$ref": "#/$defs/n"}, **{"$defs": {"n": {"type": "object", "anyOf": arms}}})

    (line,) = raw_problems(schema, {"x": folded(4, {})})

    assert line == (
        "x: fits none of the allowed forms (x.a: fits none of the allowed forms; "
        'got {"a":{"a":{"a":{}}}} | x.p: is missing | x.a: fits none of the allowed forms; '
        'got {"a":{"a":{"a":{}}}}); got {"a":{"a":{"a":{"a":{}}}}}'
    )


@pytest.mark.parametrize(
    "items",
    [
        [1, True, "1", [1], {"a": 1}, None, "null", "true"],
        [0, False, "", [], {}, "[]"],
        [{"a": 1, "b": 2}, {"a": 2, "b": 1}],
        [1.5, 2, 2**60, 2**60 + 1],
        [[1, 2], [2, 1], [[1], 2]],
    ],
)
def test_items_that_differ_are_unique(items: list[Any]) -> None:
    assert RawArguments(holding({"uniqueItems": True})).validate({"x": items})


@pytest.mark.parametrize(
    "items",
    [
        [1, "a", 1.0],
        [{"a": 1, "b": [2]}, 0, {"b": [2.0], "a": 1}],
        [[True], 3, [True]],
        [0, -0.0],
        [None, "a", None],
        [2**60, float(2**60)],
    ],
)
def test_items_that_are_equal_are_not_unique(items: list[Any]) -> None:
    (line,) = raw_problems(holding({"uniqueItems": True}), {"x": items})

    assert line.startswith("x: should have no item twice; got [")


def test_items_are_compared_by_one_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = holding({"uniqueItems": True})
    mixed = [[number] if number % 2 else {"a": number} for number in range(1000)]
    # Python has the same hash for all of these.
    numbers = [number * (2**61 - 1) for number in range(1000)]

    monkeypatch.setattr(budgets, "MOST_STEPS", 3 + 1000)
    assert RawArguments(schema).validate({"x": mixed})
    assert RawArguments(schema).validate({"x": numbers})
    assert raw_problems(schema, {"x": [*mixed, "x" * 100]}) == TOO_COMPLEX


def test_a_schema_inside_may_name_the_same_dialect_and_no_other() -> None:
    def inside(dialect: str) -> dict[str, Any]:
        return holding({"$schema": dialect, "$id": "https://example.com/x", "type": "integer"})

    same = "https://json-schema.org/draft/2020-12/schema"
    assert RawArguments(inside(same)).input_schema == inside(same)
    assert raw_problems(inside(same), {"x": "a"}) == ['x: should be an integer; got "a"']
    assert "write all of it in one dialect" in raw_refusal(
        inside("http://json-schema.org/draft-07/schema#")
    )


def test_a_schema_that_is_too_large_is_refused() -> None:
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(100):
        deep = {"type": "object", "properties": {"a": deep}}
    endless: dict[str, Any] = {"type": "object"}
    endless["not"] = endless

    assert "too large" in raw_refusal(deep)
    assert "too large" in raw_refusal(endless)
    assert "too large" in raw_refusal({"type": "object", "anyOf": [{}] * 6000})
