"""What a form asks for and what becomes of the answer; the official types judge every schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from mcp_types import ElicitRequestFormParams, _v2025_11_25, _v2026_07_28
from pydantic import (
    AnyUrl,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    SecretStr,
    TypeAdapter,
    field_validator,
    model_validator,
)

from django_mcp.server.forms import Form, InvalidAnswer, UnaskableType, form


def requested(spec: Any, **options: Any) -> dict[str, Any]:
    """The schema of a form, after the official types of both revisions have accepted it."""
    schema = form(spec, **options).requested_schema
    assert json.loads(json.dumps(schema)) == schema
    params = {"mode": "form", "message": "Well?", "requestedSchema": schema}
    ElicitRequestFormParams.model_validate(params)
    for official in (_v2025_11_25, _v2026_07_28):
        judged = official.ElicitRequestFormParams.model_validate(params)
        kinds = TypeAdapter(official.PrimitiveSchemaDefinition)
        for node in schema["properties"].values():
            # The official types ignore what they do not know: nothing may be lost on the way.
            seen = kinds.validate_python(node).model_dump(by_alias=True, exclude_unset=True)
            assert {k: v for k, v in node.items() if k not in {"pattern", "x-help"}} == seen
        assert judged.requested_schema.required == schema.get("required")
    return schema


def asked(spec: Any) -> dict[str, Any]:
    """The schema of the one field of a bare type."""
    node: dict[str, Any] = requested(spec)["properties"]["value"]
    return node


def read(spec: Any, value: object) -> Any:
    return form(spec).read({"value": value})


def problems(spec: Any, content: Any) -> dict[str, str]:
    with pytest.raises(InvalidAnswer) as caught:
        form(spec).read(content)
    for name, text in caught.value.problems.items():
        assert f"{name}: {text}" in str(caught.value) if name else text in str(caught.value)
    return caught.value.problems


def raw(required: list[str] | None = None, /, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or []}


class Colour(Enum):
    """The docstring is for programmers."""

    RED = "red"
    DARK_GREEN = "dark_green"


class Paint(Enum):
    RED = "#FF0000"
    DARK_GREEN = "#006400"


class Priority(IntEnum):
    LOW = 1
    HIGH = 2


class Corner(Enum):
    TOP_LEFT = (0, 0)
    BOTTOM_RIGHT = (1, 1)


class Years(RootModel[Annotated[int, Field(ge=0)]]):
    pass


class Lazy:
    """A text that is translated when it is shown, as gettext_lazy makes them."""

    language = "en"

    def __str__(self) -> str:
        return {"en": "Draft", "de": "Entwurf"}[self.language]

    def __deepcopy__(self, memo: Any) -> Lazy:
        return self


class Status(StrEnum):
    """Django's TextChoices, as far as this can be told from the outside."""

    DRAFT = "DR"
    OUT = "OU"

    @property
    def label(self) -> Any:
        return {"DR": Lazy(), "OU": "Published"}[self.value]


# ------------------------------------------------------------------------- the kinds of one field


@pytest.mark.parametrize(
    ("spec", "schema", "wire", "value"),
    [
        (str, {"type": "string"}, "x", "x"),
        (int, {"type": "integer"}, 30, 30),
        (int, {"type": "integer"}, 30.0, 30),
        (int, {"type": "integer"}, 10**30, 10**30),
        (float, {"type": "number"}, 95.5, 95.5),
        (float, {"type": "number"}, 95, 95.0),
        (Decimal, {"type": "number"}, 1.1, Decimal("1.1")),
        (bool, {"type": "boolean"}, False, False),
        (date, {"type": "string", "format": "date"}, "2026-07-28", date(2026, 7, 28)),
        (
            datetime,
            {"type": "string", "format": "date-time"},
            "2026-07-28T10:00:00Z",
            datetime(2026, 7, 28, 10, tzinfo=UTC),
        ),
        (
            datetime,
            {"type": "string", "format": "date-time"},
            "2026-07-28T10:00",
            datetime(2026, 7, 28, 10),
        ),
        (
            AnyUrl,
            {"type": "string", "minLength": 1, "format": "uri"},
            "https://example.com/",
            AnyUrl("https://example.com/"),
        ),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
        (
            Literal[Paint.RED],
            {"type": "string", "oneOf": [{"const": "#FF0000", "title": "Red"}]},
            "#FF0000",
            Paint.RED,
        ),
        (Literal[1, 2], {"type": "string", "enum": ["1", "2"]}, "2", 2),
        (Colour, {"type": "string", "enum": ["red", "dark_green"]}, "red", Colour.RED),
        (
            Paint,
            {
                "type": "string",
                "oneOf": [
                    {"const": "#FF0000", "title": "Red"},
                    {"const": "#006400", "title": "Dark Green"},
                ],
            },
            "#006400",
            Paint.DARK_GREEN,
        ),
        (
            Priority,
            {
                "type": "string",
                "oneOf": [{"const": "1", "title": "Low"}, {"const": "2", "title": "High"}],
            },
            "2",
            Priority.HIGH,
        ),
        (
            Corner,
            {"type": "string", "enum": ["TOP_LEFT", "BOTTOM_RIGHT"]},
            "TOP_LEFT",
            Corner((0, 0)),
        ),
        (
            Status,
            {
                "type": "string",
                "oneOf": [{"const": "DR", "title": "Draft"}, {"const": "OU", "title": "Published"}],
            },
            "DR",
            Status.DRAFT,
        ),
        (
            list[Literal["r", "w"]],
            {"type": "array", "items": {"type": "string", "enum": ["r", "w"]}},
            ["w"],
            ["w"],
        ),
        (
            set[Paint],
            {
                "type": "array",
                "items": {
                    "anyOf": [
                        {"const": "#FF0000", "title": "Red"},
                        {"const": "#006400", "title": "Dark Green"},
                    ]
                },
            },
            ["#006400", "#FF0000"],
            {Paint.RED, Paint.DARK_GREEN},
        ),
        (
            Annotated[str, Field(title="Name", min_length=2, max_length=5, pattern="^[a-z]+$")],
            {
                "type": "string",
                "title": "Name",
                "minLength": 2,
                "maxLength": 5,
                "pattern": "^[a-z]+$",
            },
            "abc",
            "abc",
        ),
        (
            Annotated[int, Field(description="In years.", ge=18, lt=100)],
            {"type": "integer", "description": "In years.", "minimum": 18, "maximum": 99},
            18,
            18,
        ),
        (Annotated[float, Field(gt=0)], {"type": "number", "minimum": 0}, 0.1, 0.1),
        (
            Annotated[list[Colour], Field(min_length=1, max_length=1)],
            {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": {"type": "string", "enum": ["red", "dark_green"]},
            },
            ["red"],
            [Colour.RED],
        ),
        (Years, {"type": "integer", "title": "Years", "minimum": 0}, 3, Years(3)),
    ],
    ids=str,
)
def test_a_bare_type_is_asked_for_as_one_field_and_read_back(
    spec: Any, schema: dict[str, Any], wire: object, value: object
) -> None:
    assert asked(spec) == schema
    assert requested(spec)["required"] == ["value"]
    found = read(spec, wire)
    assert found == value
    assert type(found) is type(value)


def test_a_bare_type_takes_its_title_from_the_caller() -> None:
    assert requested(int, title="Your age")["properties"]["value"]["title"] == "Your age"


@pytest.mark.parametrize("spec", [int | None, Annotated[int | None, Field(ge=1)]])
def test_a_bare_type_that_may_be_none_may_be_left_out(spec: Any) -> None:
    assert "required" not in requested(spec)
    assert form(spec).read({}) is None
    assert form(spec).read(None) is None
    assert read(spec, None) is None
    assert read(spec, 5) == 5


@pytest.mark.parametrize("spec", [None, type(None)])
def test_none_asks_for_no_more_than_a_confirmation(spec: Any) -> None:
    assert requested(spec) == {"type": "object", "properties": {}}
    assert form(spec).read({}) is None
    assert form(spec).read(None) is None
    assert form(spec).read({"extra": 1}) is None


# ---------------------------------------------------------------------------------- whole forms


class Person(BaseModel):
    """The docstring of a model is no part of its form."""

    model_config = ConfigDict(title="A person", extra="forbid", strict=True)

    firstName: str = Field(description="As in the passport.", min_length=1)
    date_of_birth: date = Field(title="Born")
    age: int | None
    colour: Colour = Field(Colour.RED, description="A favourite.")
    paints: set[Paint] = {Paint.DARK_GREEN, Paint.RED}
    mood: Literal["good", "bad", None] = None
    tags: list[Literal["a", "b"]] = Field(default_factory=lambda: ["a"])
    mail: str | None = Field(None, json_schema_extra={"format": "email", "x-help": "We keep it."})
    since: date = date(2026, 7, 28)
    rate: Decimal = Decimal("1.5")


def test_a_model_is_a_form_of_its_fields() -> None:
    assert requested(Person) == {
        "type": "object",
        "properties": {
            "firstName": {
                "type": "string",
                "title": "First Name",
                "description": "As in the passport.",
                "minLength": 1,
            },
            "date_of_birth": {"type": "string", "title": "Born", "format": "date"},
            "age": {"type": "integer", "title": "Age"},
            "colour": {
                "type": "string",
                "title": "Colour",
                "description": "A favourite.",
                "enum": ["red", "dark_green"],
                "default": "red",
            },
            "paints": {
                "type": "array",
                "title": "Paints",
                "items": {
                    "anyOf": [
                        {"const": "#FF0000", "title": "Red"},
                        {"const": "#006400", "title": "Dark Green"},
                    ]
                },
                "default": ["#FF0000", "#006400"],
            },
            "mood": {"type": "string", "title": "Mood", "enum": ["good", "bad"]},
            "tags": {
                "type": "array",
                "title": "Tags",
                "items": {"type": "string", "enum": ["a", "b"]},
            },
            "mail": {
                "type": "string",
                "title": "Mail",
                "format": "email",
                "x-help": "We keep it.",
            },
            "since": {
                "type": "string",
                "title": "Since",
                "format": "date",
                "default": "2026-07-28",
            },
            "rate": {"type": "number", "title": "Rate", "default": 1.5},
        },
        "required": ["firstName", "date_of_birth"],
    }


def test_what_is_left_out_of_an_answer_has_its_default() -> None:
    answer = {"firstName": "Ada", "date_of_birth": "1815-12-10"}
    assert form(Person).read(answer) == Person(
        firstName="Ada", date_of_birth=date(1815, 12, 10), age=None
    )


def test_null_counts_as_left_out() -> None:
    answer = {"firstName": "Ada", "date_of_birth": "1815-12-10", "rate": None, "age": None}
    assert form(Person).read(answer).rate == Decimal("1.5")


def test_what_was_not_asked_for_is_ignored() -> None:
    answer = {"firstName": "Ada", "date_of_birth": "1815-12-10", "is_admin": True, "x": {"y": []}}
    assert not hasattr(form(Person).read(answer), "is_admin")


@dataclass
class Address:
    street: str
    number: Annotated[int, Field(ge=1)] = 1
    flags: list[Literal["gate", "dog"]] = dataclass_field(default_factory=list)


def test_a_dataclass_is_a_form_of_its_fields() -> None:
    schema = requested(Address)
    assert schema["required"] == ["street"]
    assert schema["properties"]["number"] == {
        "type": "integer",
        "title": "Number",
        "minimum": 1,
        "default": 1,
    }
    answer = {"street": "Main", "number": 3.0, "flags": ["dog"]}
    assert form(Address).read(answer) == Address("Main", 3, ["dog"])
    assert form(Address).read({"street": "Main"}) == Address("Main")


class Wish(TypedDict):
    what: Annotated[str, Field(description="Be brief.", max_length=20)]
    copy: NotRequired[bool]
    paint: NotRequired[Paint]
    pages: Annotated[int, Field(default=5)]
    note: str | None


def test_a_typed_dict_is_a_form_of_its_keys() -> None:
    schema = requested(Wish)
    assert list(schema["properties"]) == ["what", "copy", "paint", "pages", "note"]
    assert schema["properties"]["what"] == {
        "type": "string",
        "title": "What",
        "description": "Be brief.",
        "maxLength": 20,
    }
    assert schema["required"] == ["what"]
    assert form(Wish).read({"what": "A book"}) == {"what": "A book", "pages": 5, "note": None}
    assert form(Wish).read({"what": "Oil", "copy": True, "paint": "#FF0000", "pages": 7.0}) == {
        "what": "Oil",
        "copy": True,
        "paint": Paint.RED,
        "pages": 7,
        "note": None,
    }


class Renamed(BaseModel):
    colour: Colour = Field(Colour.RED, alias="favouriteColour")


def test_an_alias_is_the_name_of_the_field() -> None:
    assert list(requested(Renamed)["properties"]) == ["favouriteColour"]
    found = form(Renamed).read({"favouriteColour": "dark_green"})
    assert found.colour is Colour.DARK_GREEN
    assert problems(Renamed, {"favouriteColour": "blue"}).keys() == {"favouriteColour"}


class Strings(BaseModel):
    """Options as code written for the official SDK has them: in `json_schema_extra`."""

    level: str = Field(json_schema_extra={"enum": ["1", "2"], "enumNames": ["Low", "High"]})
    rights: list[str] = Field(json_schema_extra={"items": {"type": "string", "enum": ["r", "w"]}})


def test_options_may_stand_in_json_schema_extra() -> None:
    requested(Strings)
    assert form(Strings).read({"level": "1", "rights": ["r"]}) == Strings(level="1", rights=["r"])
    assert problems(Strings, {"level": "3", "rights": ["x"]}).keys() == {"level", "rights"}


class Even(BaseModel):
    low: int
    high: int

    @field_validator("low")
    @classmethod
    def is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even.")
        return value

    @model_validator(mode="after")
    def is_ordered(self) -> Even:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


def test_validators_of_the_type_have_their_say() -> None:
    assert problems(Even, {"low": 1, "high": 2}) == {"low": "must be even"}
    assert problems(Even, {"low": 4, "high": 2}) == {"": "low must not be above high"}


class Meeting(BaseModel):
    start: AwareDatetime


def test_the_type_says_whether_a_moment_needs_an_offset() -> None:
    assert form(Meeting).read({"start": "2026-07-28T10:00:00+02:00"}).start.utcoffset()
    assert problems(Meeting, {"start": "2026-07-28T10:00"}).keys() == {"start"}


class Wordy(BaseModel):
    state: Annotated[str, Field(title=Lazy(), description=Lazy())]


# ------------------------------------------------------------------------------- what is constant


def test_the_form_of_a_type_is_made_once() -> None:
    assert form(Person) is form(Person)
    assert form(int) is not form(int, title="Age")


def test_options_are_offered_in_the_order_of_each_type() -> None:
    assert asked(Literal["yes", "no"])["enum"] == ["yes", "no"]
    assert asked(Literal["no", "yes"])["enum"] == ["no", "yes"]


def test_a_type_that_cannot_be_hashed_has_a_form_as_well() -> None:
    assert asked(Annotated[int, {"unhashable": []}, Field(ge=1)]) == {
        "type": "integer",
        "minimum": 1,
    }


def test_who_changes_a_requested_schema_changes_their_own_copy() -> None:
    form(Person).requested_schema["properties"].clear()
    assert "firstName" in form(Person).requested_schema["properties"]


def test_a_form_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        form(Person).fields = {}  # type: ignore[misc]


def test_a_label_is_translated_when_the_schema_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = form(Status)
    assert whole.requested_schema["properties"]["value"]["oneOf"][0]["title"] == "Draft"
    monkeypatch.setattr(Lazy, "language", "de")
    assert whole.requested_schema["properties"]["value"]["oneOf"][0]["title"] == "Entwurf"
    assert form(Wordy).requested_schema["properties"]["state"] == {
        "type": "string",
        "title": "Entwurf",
        "description": "Entwurf",
    }


# --------------------------------------------------------------------------- the answers refused


@pytest.mark.parametrize(
    ("spec", "answer", "problem"),
    [
        (str, 5, "must be a string, got 5"),
        (str, "x" * 100_001, "must have at most 100000 characters, got 100001"),
        (str, "\ud800", "must be valid Unicode, got '\\ud800'"),
        (Annotated[str, Field(min_length=2)], "x", "must have at least 2 characters, got 1"),
        (Annotated[str, Field(pattern="^a+$")], "b", "must match ^a+$, got 'b'"),
        (int, "30", "must be a whole number, got '30'"),
        (int, 30.5, "must be a whole number, got 30.5"),
        (int, True, "must be a whole number, got True"),
        (int, float("inf"), "must be a whole number, got inf"),
        (float, "1.5", "must be a number, got '1.5'"),
        (float, float("nan"), "must be a number, got nan"),
        (float, False, "must be a number, got False"),
        (Annotated[int, Field(ge=18)], 12, "must be at least 18, got 12"),
        (Annotated[float, Field(le=1)], 1.5, "must be at most 1, got 1.5"),
        (Annotated[float, Field(gt=0)], 0, "Input should be greater than 0"),
        (Annotated[float, Field(multiple_of=0.5)], 0.3, "Input should be a multiple of 0.5"),
        (bool, 1, "must be true or false, got 1"),
        (bool, "yes", "must be true or false, got 'yes'"),
        (date, "1753660800", "must be a valid date, got '1753660800'"),
        (date, "2026-02-30", "must be a valid date, got '2026-02-30'"),
        (datetime, "1753660800", "must be a valid date-time, got '1753660800'"),
        (Colour, "blue", "must be one of 'red', 'dark_green', got 'blue'"),
        (Colour, ["red"], "must be one of 'red', 'dark_green', got ['red']"),
        (Priority, 1, "must be one of '1', '2', got 1"),
        (list[Colour], "red", "must be a list of choices, got 'red'"),
        (list[Colour], ["blue"], "must be among 'red', 'dark_green', got 'blue'"),
        (list[Colour], [["red"]], "must be among 'red', 'dark_green', got ['red']"),
        (list[Colour], ["red", "red"], "must not have a choice twice, got ['red', 'red']"),
        (list[Colour], ["red"] * 3, "must have at most 2 choices, got 3"),
        (
            Annotated[list[Colour], Field(min_length=1)],
            [],
            "must have at least 1 choices, got 0",
        ),
        (str, {"nested": "object"}, "must be a string, got {'nested': 'object'}"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_answer_that_does_not_fit_is_refused(spec: Any, answer: object, problem: str) -> None:
    assert problems(spec, {"value": answer}) == {"value": problem}


def test_a_refusal_names_every_field_at_once() -> None:
    with pytest.raises(InvalidAnswer) as caught:
        form(Person).read({"age": "x", "colour": "blue"})
    assert str(caught.value) == (
        "The answer does not fit the form: firstName: is required; date_of_birth: is required; "
        "age: must be a whole number, got 'x'; colour: must be one of 'red', 'dark_green', "
        "got 'blue'."
    )


def test_a_refusal_is_short_whatever_was_sent() -> None:
    with pytest.raises(InvalidAnswer) as caught:
        form(Person).read({"firstName": 7, "date_of_birth": "9" * 90_000, "colour": ["x"] * 90_000})
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content", [[], "x", 5])
def test_content_that_is_no_object_is_refused(content: Any) -> None:
    assert problems(Person, content) == {"": f"it must be an object, got {type(content).__name__}"}


def test_no_content_is_an_answer_without_fields() -> None:
    assert problems(Address, None) == {"street": "is required"}


# ------------------------------------------------------------------------------ the types refused


class Nested(BaseModel):
    address: Address


class Nodes(BaseModel):
    child: Nodes | None = None


class Secret(BaseModel):
    key: SecretStr


class Names(BaseModel):
    names: list[str]


class Addresses(BaseModel):
    many: list[Address]


class Either(BaseModel):
    one: int | str


class Anything(BaseModel):
    it: Any


class TooShort(BaseModel):
    name: str = Field("", min_length=3)


class Agreement(BaseModel):
    agree: Literal[True]


class Clash(BaseModel):
    one: Literal[1, "1"]


class Lookup(BaseModel):
    by_name: dict[str, str]


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        (Nested, "address", "is an object, but a form is flat; give the form its fields"),
        (Nodes, "child", "is an object, but a form is flat"),
        (Lookup, "by_name", "is an object, but a form is flat"),
        (Secret, "key", "is a secret, which a form must not ask for; send the user to a page"),
        (Names, "names", "is a list of anything; list options"),
        (Addresses, "many", "is a list of anything; list options"),
        (Either, "one", "may have several types; give it one"),
        (Anything, "it", "has no type; a form asks for a string, number"),
        (TooShort, "name", "has a default that must have at least 3 characters"),
        (Agreement, "agree", "has the option True, but options are strings; use an Enum"),
        (Clash, "one", "needs at least one option, and none twice"),
        (dict[str, int], "value", "is an object, but a form is flat"),
        (list[str], "value", "is a list of anything; list options"),
        (tuple[int, str], "value", "is a list of anything; list options"),
        (object, "value", "has no type"),
        (Callable[[], int], "value", "has no type"),
        (Annotated[Person, "x"], "value", "is an object, but a form is flat"),
    ],
    ids=str,
)
def test_a_type_that_is_no_flat_form_is_refused_with_the_field_and_the_remedy(
    spec: Any, field: str, reason: str
) -> None:
    with pytest.raises(UnaskableType) as caught:
        form(spec)
    assert caught.value.field == field
    assert f"the field {field!r} {reason}" in str(caught.value)


class Opaque(BaseModel):
    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "object"}


@pytest.mark.parametrize("spec", ["What is your name?", Lazy, 5])
def test_what_is_no_type_is_refused(spec: Any) -> None:
    with pytest.raises(UnaskableType, match="in a form: it is "):
        form(spec)


def test_a_type_that_hides_its_fields_is_refused() -> None:
    with pytest.raises(UnaskableType, match="it has no fields by name; write a model that has"):
        form(Opaque)


# ------------------------------------------------------------------------------------ raw schemas

OPTIONS = [{"const": "#F00", "title": "Red"}, {"const": "#0F0", "title": "Green"}]

RAW = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]"},
        "mail": {"type": "string", "format": "email"},
        "site": {"type": "string", "format": "uri"},
        "day": {"type": "string", "format": "date"},
        "moment": {"type": "string", "format": "date-time"},
        "age": {"type": "integer", "minimum": 18, "maximum": 99},
        "score": {"type": "number", "default": 0.5},
        "sure": {"type": "boolean", "default": False},
        "plain": {"type": "string", "enum": ["a", "b"], "default": "b"},
        "titled": {"type": "string", "oneOf": OPTIONS},
        "legacy": {"type": "string", "enum": ["1", "2"], "enumNames": ["One", "Two"]},
        "several": {
            "type": "array",
            "items": {"type": "string", "enum": ["a", "b"]},
            "default": ["a"],
        },
        "paints": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"anyOf": OPTIONS}},
    },
    "required": ["name"],
}
DEFAULTS = {"score": 0.5, "sure": False, "plain": "b", "several": ["a"]}


def test_a_raw_schema_is_sent_as_it_is() -> None:
    given = copy.deepcopy(RAW)
    whole = form(given)
    given.clear()
    assert whole.requested_schema == RAW == requested(RAW)


def test_a_raw_form_is_answered_with_a_dict() -> None:
    answer = {
        "name": "ada",
        "mail": "ada@example.com",
        "site": "https://example.com/?q=1#f",
        "day": "2026-07-28",
        "moment": "2026-07-28T10:00:00.5+02:00",
        "age": 30,
        "score": 1,
        "sure": True,
        "plain": "a",
        "titled": "#0F0",
        "legacy": "2",
        "several": [],
        "paints": ["#F00"],
    }
    assert form(RAW).read({**answer, "age": 30.0, "other": 1}) == answer


def test_a_raw_form_fills_in_its_defaults_each_time_anew() -> None:
    whole = form(RAW)
    whole.read({"name": "ada"})["several"].append("b")
    assert whole.read({"name": "ada"}) == {"name": "ada", **DEFAULTS}


@pytest.mark.parametrize(
    ("field", "answer", "problem"),
    [
        ("name", "a", "at least 2 characters"),
        ("name", "abcdef", "at most 5 characters"),
        ("name", "1ab", "must match"),
        ("mail", "ada", "must be a valid email"),
        ("mail", "a@b@example.com", "must be a valid email"),
        ("mail", "ada@example..com", "must be a valid email"),
        ("mail", f"ada@{'x' * 400}", "must be a valid email"),
        ("site", "example.com", "must be a valid uri"),
        ("site", "https://example.com/a b", "must be a valid uri"),
        ("day", "28.7.2026", "must be a valid date"),
        ("day", "20260728", "must be a valid date"),
        ("day", "2026-13-01", "must be a valid date"),
        ("day", "\uff12\uff10\uff12\uff16-07-28", "must be a valid date"),
        ("moment", "2026-07-28", "must be a valid date-time"),
        ("moment", "2026-07-28T10:00:00", "must be a valid date-time"),
        ("moment", "2026-07-28T25:00:00Z", "must be a valid date-time"),
        ("moment", "2026-07-28T10:00:00+2", "must be a valid date-time"),
        ("age", 17, "at least 18"),
        ("age", 100, "at most 99"),
        ("age", 20.5, "must be a whole number"),
        ("score", "1", "must be a number"),
        ("sure", "true", "must be true or false"),
        ("plain", "c", "must be one of"),
        ("titled", "Red", "must be one of"),
        ("legacy", "One", "must be one of"),
        ("several", ["a", "b", "a"], "at most 2 choices"),
        ("several", ["c"], "must be among"),
        ("paints", [], "at least 1 choices"),
        ("paints", ["#F00", "#0F0"], "at most 1 choices"),
    ],
)
def test_the_answer_to_a_raw_form_is_checked(field: str, answer: object, problem: str) -> None:
    found = problems(RAW, {"name": "ada", field: answer})
    assert found.keys() == {field}
    assert problem in found[field]


def test_a_pattern_with_a_lookahead_is_searched_for_as_json_schema_does() -> None:
    whole = form(raw(code={"type": "string", "pattern": "b(?=c)"}))
    assert whole.read({"code": "abc"}) == {"code": "abc"}
    with pytest.raises(InvalidAnswer):
        whole.read({"code": "abd"})


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("string", "has the schema 'string'; write an object"),
        ({}, "has no type"),
        ({"type": "null"}, "can only be null"),
        ({"type": "date"}, "has the type 'date'"),
        ({"enum": ["a"]}, "has no type"),
        ({"type": "object", "properties": {}}, "is an object"),
        ({"type": ["string", "null"]}, "may have several types"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "may have several types"),
        ({"$ref": "#/$defs/X"}, "may have several types"),
        ({"type": "array", "items": {"type": "string"}}, "is a list of anything"),
        ({"type": "array", "items": {"anyOf": [{"const": "a"}]}}, "wrong items.anyOf.0.title"),
        ({"type": "string", "format": "password"}, "is a secret"),
        ({"type": "string", "format": "uuid"}, "has a wrong format"),
        ({"type": "string", "minLength": -1}, "has a wrong minLength"),
        ({"type": "string", "title": 5}, "has a wrong title"),
        ({"type": "string", "pattern": "("}, "has a pattern that is no regular expression"),
        ({"type": "integer", "multipleOf": 2}, "cannot have multipleOf, only type, title"),
        ({"type": "number", "default": "1"}, "has a default that must be a number"),
        ({"type": "string", "default": None}, "has a default that must be a string"),
        ({"type": "integer", "enum": [1]}, "has a wrong type"),
        ({"type": "string", "enum": [1]}, "has a wrong enum.0"),
        ({"type": "string", "enum": []}, "needs at least one option"),
        ({"type": "string", "enum": ["a", "a"]}, "none twice"),
        ({"type": "string", "enum": ["a"], "default": "b"}, "has a default that must be one of"),
        ({"type": "string", "enum": ["a"], "oneOf": OPTIONS}, "either as enum or as oneOf"),
        ({"type": "string", "enum": ["a"], "enumNames": []}, "one name for each value"),
    ],
    ids=str,
)
def test_a_raw_field_that_no_form_has_is_refused(node: Any, reason: str) -> None:
    with pytest.raises(UnaskableType) as caught:
        form(raw(it=node))
    assert caught.value.field == "it"
    assert "Cannot ask for this schema in a form: the field 'it' " in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({}, 'needs "type": "object"'),
        ({"type": "object"}, 'its "properties"'),
        ({"type": "string", "properties": {}}, 'needs "type": "object"'),
        ({"type": "object", "properties": {}, "required": ["x"]}, "requires ['x']"),
        ({"type": "object", "properties": {}, "allOf": []}, "cannot have allOf"),
        ({"type": "object", "properties": {}, "$defs": {}}, "cannot have $defs"),
    ],
    ids=str,
)
def test_a_raw_schema_that_is_no_form_is_refused(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnaskableType) as caught:
        form(spec)
    assert caught.value.field is None
    assert reason in str(caught.value)


# ------------------------------------------------- what the official conformance suite looks for


class Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


class Values(Enum):
    value1 = "value1"
    value2 = "value2"

    @property
    def label(self) -> str:
        return f"The {self.value}"


class Enums(BaseModel):
    untitledSingle: Literal["option1", "option2"]
    titledSingle: Values
    legacyEnum: Literal["opt1", "opt2"] = Field(json_schema_extra={"enumNames": ["One", "Two"]})
    untitledMulti: list[Literal["option1", "option2"]]
    titledMulti: list[Values]


TITLED = [
    {"const": "value1", "title": "The value1"},
    {"const": "value2", "title": "The value2"},
]
SEP_1034: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    },
}
SEP_1330: dict[str, Any] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2"]},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["One", "Two"]},
        "untitledMulti": {
            "type": "array",
            "items": {"type": "string", "enum": ["option1", "option2"]},
        },
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
    "required": ["untitledSingle", "titledSingle", "legacyEnum", "untitledMulti", "titledMulti"],
}
ANSWER_1330 = {
    "untitledSingle": "option1",
    "titledSingle": "value1",
    "legacyEnum": "opt1",
    "untitledMulti": ["option1", "option2"],
    "titledMulti": ["value1", "value2"],
}


def without_titles(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        name: {keyword: value for keyword, value in node.items() if keyword != "title"}
        for name, node in schema["properties"].items()
    }
    return {**schema, "properties": properties}


@pytest.mark.parametrize(("spec", "schema"), [(Defaults, SEP_1034), (Enums, SEP_1330)])
def test_the_fixtures_can_be_written_as_types(spec: Any, schema: dict[str, Any]) -> None:
    assert without_titles(requested(spec)) == schema


@pytest.mark.parametrize("schema", [SEP_1034, SEP_1330], ids=["defaults", "enums"])
def test_the_fixtures_can_be_written_as_schemas(schema: dict[str, Any]) -> None:
    assert requested(schema) == schema


def test_the_answers_of_the_suite_are_read() -> None:
    defaults: Form[Defaults] = form(Defaults)
    assert defaults.read({}) == Defaults()
    assert form(SEP_1034).read({}) == Defaults().model_dump()
    assert form(SEP_1330).read(ANSWER_1330) == ANSWER_1330
    assert form(Enums).read(ANSWER_1330).titledMulti == [Values.value1, Values.value2]
