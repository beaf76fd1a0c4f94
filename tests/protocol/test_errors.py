"""Protocol errors: what each says on the wire, and how it is read back."""

from __future__ import annotations

import pytest

from django_mcp.protocol import errors
from django_mcp.protocol.errors import (
    HeaderMismatch,
    InternalError,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    MissingRequiredClientCapability,
    ParseError,
    ProtocolError,
    ResourceNotFound,
    UnsupportedProtocolVersion,
    UrlElicitationRequired,
    from_wire,
)
from django_mcp.protocol.revisions import V2025_11_25, V2026_07_28

ELICITATION = {"mode": "url", "elicitationId": "e1", "url": "https://a.example", "message": "Go"}

# The error, its HTTP status, and what it says on the wire.
ERRORS = [
    (ParseError("Not JSON"), 400, {"code": -32700, "message": "Not JSON"}),
    (InvalidRequest("No message", id=7), 400, {"code": -32600, "message": "No message"}),
    (
        MethodNotFound("tools/cal"),
        404,
        {"code": -32601, "message": "Method not found: tools/cal", "data": "tools/cal"},
    ),
    (
        InvalidParams("name: missing", data={"path": ["name"]}),
        400,
        {"code": -32602, "message": "name: missing", "data": {"path": ["name"]}},
    ),
    (
        ResourceNotFound("book://1", V2025_11_25),
        400,
        {"code": -32002, "message": "Resource not found: book://1", "data": {"uri": "book://1"}},
    ),
    (
        ResourceNotFound("book://1", V2026_07_28),
        400,
        {"code": -32602, "message": "Resource not found: book://1", "data": {"uri": "book://1"}},
    ),
    (InternalError(), 200, {"code": -32603, "message": "Internal error"}),
    (
        HeaderMismatch("Mcp-Name is missing"),
        400,
        {"code": -32020, "message": "Header mismatch: Mcp-Name is missing"},
    ),
    (
        MissingRequiredClientCapability({"elicitation": {}}),
        400,
        {
            "code": -32021,
            "message": "The client did not declare a capability this request needs: elicitation",
            "data": {"requiredCapabilities": {"elicitation": {}}},
        },
    ),
    (
        UnsupportedProtocolVersion("1999-01-01", [V2026_07_28, "2025-11-25"]),
        400,
        {
            "code": -32022,
            "message": "Unsupported protocol version: 1999-01-01. "
            "Use one of: 2026-07-28, 2025-11-25",
            "data": {"supported": ["2026-07-28", "2025-11-25"], "requested": "1999-01-01"},
        },
    ),
    (
        UrlElicitationRequired([ELICITATION]),
        200,
        {
            "code": -32042,
            "message": "This request needs the user to visit a URL first",
            "data": {"elicitations": [ELICITATION]},
        },
    ),
]


def case(value: object) -> str | None:
    return type(value).__name__ if isinstance(value, ProtocolError) else None


@pytest.mark.parametrize(("error", "status", "wire"), ERRORS, ids=case)
def test_an_error_knows_its_status_and_its_wire_form(error, status, wire):
    assert error.status == status
    assert error.to_wire() == wire
    assert str(error) == wire["message"]


@pytest.mark.parametrize(("error", "status", "wire"), ERRORS, ids=case)
def test_an_error_read_back_from_the_wire_is_the_same_kind_of_error(error, status, wire):
    received = from_wire(wire)

    assert type(received) is type(error)
    assert received.to_wire() == wire
    assert received.status == status
    assert str(received) == wire["message"]


def test_every_class_of_the_tree_is_covered_above():
    tree = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, ProtocolError)
    }
    assert {type(error) for error, _, _ in ERRORS} == tree - {ProtocolError}


def test_an_error_says_what_it_is_about():
    assert MethodNotFound("a/b").method == "a/b"
    assert InvalidRequest("x", id="req-1").id == "req-1"
    assert InvalidRequest("x").id is None
    assert ResourceNotFound("book://1", V2026_07_28).uri == "book://1"
    assert MissingRequiredClientCapability({"roots": {}}).required == {"roots": {}}
    assert UnsupportedProtocolVersion("1", ["2"]).requested == "1"
    assert UnsupportedProtocolVersion("1", ["2"]).supported == ["2"]
    assert UrlElicitationRequired([ELICITATION]).elicitations == [ELICITATION]


@pytest.mark.parametrize("data", [None, "text", 3, [], {}, {"supported": 1, "uri": 1}])
def test_data_of_another_shape_is_read_as_nothing(data):
    def received(code: int) -> ProtocolError:
        return from_wire({"code": code, "message": "m", "data": data})

    assert received(-32002).uri is None
    assert received(-32021).required == {}
    assert received(-32022).requested is None
    assert received(-32022).supported == []
    assert received(-32042).elicitations == []
    assert received(-32600).id is None


def test_a_method_that_is_not_named_is_none():
    assert from_wire({"code": -32601, "message": "m", "data": {"a": 1}}).method is None


def test_an_own_code_goes_over_the_wire_and_comes_back():
    error = ProtocolError("Out of books", code=1404, status=404, data={"shelf": 3})

    assert error.to_wire() == {"code": 1404, "message": "Out of books", "data": {"shelf": 3}}
    assert error.status == 404
    assert type(from_wire(error.to_wire())) is ProtocolError
    assert from_wire(error.to_wire()).code == 1404


def test_an_own_code_does_not_change_the_class():
    ProtocolError("x", code=1, status=499)

    assert ProtocolError("y").code == -32603
    assert ProtocolError("y").status == 200


@pytest.mark.parametrize("data", [False, 0, "", [], {}])
def test_empty_data_is_sent(data):
    assert ProtocolError("m", data=data).to_wire()["data"] == data


def test_a_missing_resource_is_caught_as_invalid_params():
    assert isinstance(from_wire({"code": -32002, "message": "m"}), InvalidParams)


@pytest.mark.parametrize(
    "wire",
    [
        None,
        "broken",
        [],
        {},
        {"code": "1", "message": "m"},
        {"code": True, "message": "m"},
        {"code": 1.5, "message": 3},
    ],
)
def test_a_malformed_error_object_is_an_error_all_the_same(wire):
    error = from_wire(wire)

    assert error.code == -32603
    assert error.message


def test_the_representation_shows_code_and_data():
    assert repr(ProtocolError("m", code=5)) == "ProtocolError('m', code=5)"
    assert repr(MethodNotFound("a")) == (
        "MethodNotFound('Method not found: a', code=-32601, data='a')"
    )
