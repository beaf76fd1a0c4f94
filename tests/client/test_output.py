"""What a tool answers: checked against its output schema, and made Python values by it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from django_mcp.client import OutputMismatch, Record, ToolFailed
from django_mcp.client.outputs import ToolOutput
from django_mcp.client.typed import reader_of, unwrapped
from django_mcp.protocol import types as t
from django_mcp.server.errors import ToolError

from .ways import STATELESS, both_eras, connected, everywhere, new_server

SCHEMAS = ("2025-06-18", "2025-11-25", "2026-07-28")


@dataclass
class Loan:
    id: uuid.UUID
    due: date
    lent: datetime
    lasts: timedelta
    title: str
    note: str | None = None


LOAN = Loan(
    id=uuid.UUID(int=7),
    due=date(2026, 12, 1),
    lent=datetime(2026, 11, 1, 12, tzinfo=UTC),
    lasts=timedelta(days=30),
    title="Emma",
)


@everywhere
async def test_data_are_what_the_tool_returned(way: str, revision: str) -> None:
    server = new_server()

    @server.tool
    def loan() -> Loan:
        return LOAN

    @server.tool
    def loans() -> list[Loan]:
        return [LOAN]

    @server.tool
    def count() -> int:
        return 3

    async with connected(way, server, revision) as client:
        one = (await client.call_tool("loan")).data
        many = (await client.call_tool("loans")).data
        number = (await client.call_tool("count")).data

    if revision in SCHEMAS:
        assert isinstance(one, Record)
        assert (one.id, one.due, one.lent, one.lasts) == (LOAN.id, LOAN.due, LOAN.lent, LOAN.lasts)
        assert (one.title, one.note) == ("Emma", None)
        assert many == [one]
        assert number == 3
    else:  # There is no structured content yet.
        assert (one, many, number) == (None, None, None)


@everywhere
async def test_data_are_of_the_type_that_is_asked_for(way: str, revision: str) -> None:
    server = new_server()

    @server.tool
    def loan() -> Loan:
        return LOAN

    @server.tool
    def days() -> list[date]:
        return [LOAN.due]

    async with connected(way, server, revision) as client:
        assert (await client.call_tool("loan", as_=Loan)).data == LOAN
        assert (await client.call_tool("days", as_=list[date])).data == [LOAN.due]
        with pytest.raises(OutputMismatch, match="no Other"):
            await client.call_tool("loan", as_=Other)


class Other(BaseModel):
    shelf: int


@both_eras
async def test_a_tool_that_was_never_listed_is_looked_up_once(way: str, revision: str) -> None:
    server = new_server()
    lists: list[str] = []

    @server.tool
    def day() -> date:
        return LOAN.due

    async with connected(way, server, revision) as client:
        asked = client._request

        async def request(method: str, *args: Any, **more: Any) -> Any:
            lists.append(method)
            return await asked(method, *args, **more)

        client._request = request  # type: ignore[method-assign]
        assert (await client.call_tool("day")).data == LOAN.due
        assert (await client.call_tool("day")).data == LOAN.due

    assert lists == ["tools/call", "tools/list", "tools/call"]


async def test_a_failure_is_not_checked() -> None:
    server = new_server()

    @server.tool
    def count() -> int:
        raise ToolError("The shelf is locked.")

    async with connected("memory", server) as client:
        await client.list_tools()
        with pytest.raises(ToolFailed, match="The shelf is locked"):
            await client.call_tool("count")
        result = await client.call_tool("count", raise_on_error=False)

    assert (result.is_error, result.data, result.text) == (True, None, "The shelf is locked.")


# ------------------------------------------------------------------------- one answer, any schema


def output(schema: dict[str, Any]) -> ToolOutput:
    return ToolOutput(t.Tool(name="tool", input_schema={"type": "object"}, output_schema=schema))


def answer(value: Any) -> t.CallToolResult:
    return t.CallToolResult(content=[], structured_content=value)


NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def test_an_answer_that_does_not_fit_says_where() -> None:
    with pytest.raises(OutputMismatch, match=r"n: should be an integer; got \"one\"") as caught:
        output(NUMBER).result(answer({"n": "one"}))

    assert caught.value.result.structured_content == {"n": "one"}


def test_an_answer_without_structured_content_does_not_fit_a_schema() -> None:
    with pytest.raises(OutputMismatch, match="there is none"):
        output(NUMBER).result(answer(None))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#"},
        {"type": 3},
        {"$schema": "https://example.com/other"},
        {"allOf": [{}] * 2_000},
    ],
    ids=["network", "missing", "circle", "no schema", "dialect", "too large"],
)
def test_what_cannot_be_checked_is_taken_as_it_came(
    schema: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert output(schema).result(answer({"n": 1})).data == {"n": 1}
    assert "are not checked" in caplog.text


def test_a_pattern_made_to_take_for_ever_does_not() -> None:
    trap = "^(a+)+$"
    schema = {
        "type": "object",
        "properties": {"text": {"type": "string", "pattern": trap}},
        "patternProperties": {trap: {"type": "string"}},
        "propertyNames": {"pattern": "^(t|(a+)+)"},
    }
    text = "a" * 50_000 + "!"

    with pytest.raises(OutputMismatch, match="text: should match the pattern"):
        output(schema).result(answer({"text": text}))
    assert output(schema).result(answer({"text": "aa", "a" * 100 + "!": 3})).data["text"] == "aa"


def test_a_schema_that_multiplies_the_work_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}, {"type": "string"}]}},
        "required": ["next"],
    }
    value: Any = 3
    for _ in range(40):
        value = {"next": value}

    assert output(schema).result(answer(value)).structured_content == value
    assert "too complex to be checked" in caplog.text


# ------------------------------------------------------------------------------- values by schema


def test_a_choice_is_read_by_the_arm_that_fits() -> None:
    read = reader_of(
        {
            "anyOf": [
                {"type": "string", "format": "date"},
                {"type": "string", "format": "uuid"},
                {
                    "type": "object",
                    "properties": {"kind": {"const": "a"}, "day": {"format": "date"}},
                    "required": ["kind"],
                },
                {
                    "type": "object",
                    "properties": {"kind": {"const": "b"}, "day": {"type": "string"}},
                    "required": ["kind"],
                },
                {"type": "null"},
            ]
        }
    )

    assert read("2026-12-01") == LOAN.due
    assert read(str(LOAN.id)) == LOAN.id
    assert read("another") == "another"
    assert read(None) is None
    assert read({"kind": "a", "day": "2026-12-01"}).day == LOAN.due
    assert read({"kind": "b", "day": "2026-12-01"}).day == "2026-12-01"


def test_a_schema_that_contains_itself_is_followed_as_far_as_the_value_goes() -> None:
    read = reader_of(
        {
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {
                        "day": {"format": "date"},
                        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    },
                }
            },
            "$ref": "#/$defs/node",
        }
    )
    leaf = {"day": "2026-12-01", "children": []}

    assert read({"day": "2026-12-01", "children": [leaf]}).children[0].day == LOAN.due

    deep: Any = leaf
    for _ in range(5_000):
        deep = {"day": "2026-12-01", "children": [deep]}
    assert read(deep).day == LOAN.due


def test_a_record_reads_like_an_object_and_is_not_changed() -> None:
    read = reader_of({"properties": {"items": {"type": "array"}, "size": {"default": 3}, "of": {}}})
    record = read({"items": [1], "an other": 2})

    assert (record.items, record.size, record.of, record["an other"]) == ([1], 3, None, 2)
    assert dict(record) == {"items": [1], "an other": 2}
    assert record == {"items": [1], "an other": 2}
    assert "size" not in record
    with pytest.raises(AttributeError, match="There is no 'shelf'"):
        _ = record.shelf
    with pytest.raises(AttributeError, match="not changed"):
        record.items = []


@pytest.mark.parametrize(
    ("schema", "wraps"),
    [
        ({"type": "object", "properties": {"result": {}}, "required": ["result"]}, True),
        ({"type": "object", "properties": {"result": {}}}, False),
        ({"type": "object", "properties": {"result": {}, "n": {}}, "required": ["result"]}, False),
        ({"type": "array", "items": {}}, False),
    ],
)
def test_only_an_object_of_nothing_but_a_result_is_a_wrapping(
    schema: dict[str, Any], wraps: bool
) -> None:
    assert (unwrapped(schema) is not None) is wraps


async def test_a_changed_tool_is_checked_by_its_new_schema() -> None:
    server = new_server()

    def first() -> int:
        return 1

    def second() -> date:
        return LOAN.due

    server.tool("tool")(first)
    async with (
        connected("memory", server, STATELESS) as client,
        client.listen(tools=True) as changes,
    ):
        assert (await client.call_tool("tool")).data == 1
        server.remove_tool("tool")
        server.tool("tool")(second)
        assert (await anext(changes)).kind == "tools"
        assert (await client.call_tool("tool")).data == LOAN.due
