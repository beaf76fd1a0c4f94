"""JSON-RPC: what is read as which message, what is refused, and what is written."""

from __future__ import annotations

import json
import math
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_mcp.protocol import jsonrpc
from django_mcp.protocol.errors import InvalidRequest, MethodNotFound, ParseError
from django_mcp.protocol.jsonrpc import ErrorResponse, Notification, Request, Response, parse

# JSON can carry lone surrogates, which UTF-8 cannot. Two of these never make a pair.
texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\udc00\udfff"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
json_objects = st.dictionaries(texts, json_values, max_size=5)
ids = texts | st.integers()


def body(**message: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}).encode()


class TestMessages:
    def test_a_method_with_an_id_is_a_request(self):
        assert parse(body(id=1, method="tools/call", params={"name": "a"})) == Request(
            1, "tools/call", {"name": "a"}
        )

    def test_a_method_without_an_id_is_a_notification(self):
        assert parse(body(method="notifications/initialized")) == Notification(
            "notifications/initialized", {}
        )

    def test_a_result_is_a_response(self):
        assert parse(body(id="a", result={"x": 1})) == Response("a", {"x": 1})

    @pytest.mark.parametrize("request_id", ["a", 3, None])
    def test_an_error_is_an_error_response(self, request_id):
        error = {"code": -32603, "message": "m"}
        assert parse(body(id=request_id, error=error)) == ErrorResponse(request_id, error)

    def test_an_error_needs_no_id(self):
        assert parse(body(error={"code": 1, "message": "m"})) == ErrorResponse(
            None, {"code": 1, "message": "m"}
        )

    def test_absent_params_are_empty(self):
        assert parse(body(id=1, method="ping")) == Request(1, "ping", {})

    @pytest.mark.parametrize("request_id", [0, -1, 2**63, "", "0", "ü", "\ud800"])
    def test_an_id_is_any_string_or_integer(self, request_id):
        assert parse(body(id=request_id, method="ping")) == Request(request_id, "ping", {})

    @pytest.mark.parametrize("request_id", ["a" * 1024, 10**1024 - 1, -(10**1024) + 1])
    def test_an_id_has_at_most_1024_characters(self, request_id):
        assert parse(body(id=request_id, method="ping")).id == request_id

    def test_unknown_members_are_ignored(self):
        assert parse(body(id=1, method="ping", extra=[1])) == Request(1, "ping", {})

    def test_blanks_around_the_message_are_ignored(self):
        assert parse(b" \r\n\t" + body(method="m") + b"\n") == Notification("m", {})

    def test_a_message_is_frozen(self):
        with pytest.raises(AttributeError):
            Notification("ping", {}).method = "pong"


# What is wrong, the message, and the id which the answer has to carry.
INVALID = [
    ("no version", b'{"id":1,"method":"m"}', 1),
    ("another version", b'{"jsonrpc":"1.0","id":1,"method":"m"}', 1),
    ("version as a number", b'{"jsonrpc":2.0,"id":1,"method":"m"}', 1),
    ("empty object", b"{}", None),
    ("neither method nor result nor error", body(id=4), 4),
    ("method is null", body(id=4, method=None), 4),
    ("method is a number", body(id="x", method=1), "x"),
    ("id is null", body(id=None, method="m"), None),
    ("id is true", body(id=True, method="m"), None),
    ("id is a float", body(id=1.0, method="m"), None),
    ("id is a list", body(id=[1], method="m"), None),
    ("id is long", body(id="x" * 1025, method="m"), None),
    ("id is of many digits", body(id=10**1024, method="m"), None),
    ("id is of many digits below zero", body(id=-(10**1024), method="m"), None),
    ("id is long and method is a number", body(id="x" * 1025, method=1), None),
    ("params are a list", body(id=9, method="m", params=[]), 9),
    ("params are null", body(id=9, method="m", params=None), 9),
    ("params of a notification are text", body(method="m", params="x"), None),
    ("method and result", body(id=1, method="m", result={}), None),
    ("method and error", body(id=1, method="m", error={}), None),
    # The ids of responses are ours: an answer that carried one would be taken for an answer to
    # a request of the other side.
    ("result and error", body(id=1, result={}, error={}), None),
    ("a result without an id", body(result={}), None),
    ("a result with a list for its id", body(id=["x"] * 1000, result={}), None),
    ("a result with id null", body(id=None, result={}), None),
    ("a result with a long id", body(id="x" * 1025, result={}), None),
    ("an error with a long id", body(id="x" * 1025, error={}), None),
    ("a result that is a list", body(id=1, result=[]), None),
    ("an error that is text", body(id=1, error="no"), None),
    ("an error with a float id", body(id=1.5, error={}), None),
    ("a response of no version", b'{"id":1,"result":{}}', None),
    ("null", b"null", None),
    ("true", b"true", None),
    ("a number", b"1", None),
    ("a string", b'"ping"', None),
    ("an empty batch", b"[]", None),
]


@pytest.mark.parametrize(
    ("message", "request_id"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID]
)
def test_json_that_is_no_message_is_an_invalid_request(message, request_id):
    with pytest.raises(InvalidRequest) as caught:
        parse(message)

    assert caught.value.id == request_id
    assert len(caught.value.message) < 100


UNPARSEABLE = {
    "nothing": b"",
    "blanks": b"  \n",
    "half a message": b'{"jsonrpc":"2.0"',
    "two messages": body(method="m") + b"\n" + body(method="m"),
    "NaN": b'{"jsonrpc":"2.0","method":"m","params":{"a":NaN}}',
    "Infinity": b'{"jsonrpc":"2.0","method":"m","params":{"a":Infinity}}',
    "-Infinity": b'{"jsonrpc":"2.0","method":"m","params":{"a":-Infinity}}',
    "a float that becomes infinite": b'{"jsonrpc":"2.0","method":"m","params":{"a":-1e999}}',
    "a huge integer": b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"m"}',
    "invalid UTF-8": b'{"jsonrpc":"2.0","method":"\xff"}',
    "an encoded surrogate": b'{"jsonrpc":"2.0","method":"\xed\xa0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf" + body(method="m"),
    "UTF-16": body(method="m").decode().encode("utf-16"),
    "UTF-16 without a mark": body(method="m").decode().encode("utf-16-le"),
    "a control character": b'{"jsonrpc":"2.0","method":"a\nb"}',
    "a no-break space": b"\xc2\xa0" + body(method="m"),
    "a comment": b"/* */" + body(method="m"),
    "single quotes": b"{'jsonrpc':'2.0'}",
}


@pytest.mark.parametrize("message", UNPARSEABLE.values(), ids=UNPARSEABLE)
def test_bytes_that_are_not_json_are_a_parse_error(message):
    with pytest.raises(ParseError):
        parse(message)


def test_the_error_names_what_was_wrong():
    with pytest.raises(ParseError, match="byte order mark"):
        parse(UNPARSEABLE["a byte order mark"])
    with pytest.raises(ParseError, match=r"Expecting value: line 2 column 5 \(char 6\)"):
        parse(b'{\n"a":')
    with pytest.raises(ParseError, match="NaN"):
        parse(UNPARSEABLE["NaN"])
    with pytest.raises(ParseError, match="-1e999"):
        parse(UNPARSEABLE["a float that becomes infinite"])
    with pytest.raises(ParseError, match="digits"):
        parse(UNPARSEABLE["a huge integer"])
    with pytest.raises(InvalidRequest, match="method must be a string, not a number"):
        parse(body(id=1, method=1))


class TestDepth:
    def nested(self, levels: int) -> bytes:
        """A message whose deepest array or object is on this level."""
        return b'{"jsonrpc":"2.0","method":"m","params":{"a":%s%s}}' % (
            b"[" * (levels - 2),
            b"]" * (levels - 2),
        )

    def test_the_limit_itself_is_allowed(self):
        assert isinstance(parse(self.nested(64)), Notification)

    def test_one_level_more_is_refused(self):
        with pytest.raises(ParseError, match="deeper than 64 levels"):
            parse(self.nested(65))

    def test_the_limit_is_the_callers(self):
        assert isinstance(parse(self.nested(5), max_depth=5), Notification)
        with pytest.raises(ParseError):
            parse(self.nested(6), max_depth=5)

    @pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
    def test_endless_nesting_is_refused(self, opening):
        with pytest.raises(ParseError):
            parse(opening * 100_000)

    def test_many_arrays_side_by_side_are_not_deep(self):
        message = parse(body(method="m", params={"rows": [[] for _ in range(1000)]}))
        assert message.params["rows"] == [[]] * 1000

    @pytest.mark.parametrize("before", range(9))
    def test_the_deepest_place_may_be_anywhere(self, before):
        rows = ([[]] * before, [[[[]]]], [[]] * 9)
        message = body(method="m", params={"rows": rows})

        assert isinstance(parse(message, max_depth=7), Notification)
        with pytest.raises(ParseError, match="deeper than 6"):
            parse(message, max_depth=6)

    @pytest.mark.parametrize("text", ["[" * 100, '"' + "{" * 100, "\\" + "[" * 100, '\\"[' * 100])
    def test_brackets_in_a_string_are_not_levels(self, text):
        assert parse(body(method="m", params={"a": text})) == Notification("m", {"a": text})

    def test_brackets_after_a_string_that_ends_in_a_backslash_are_levels(self):
        message = body(method="m", params={"a": "\\", "b": [0]})
        with pytest.raises(ParseError, match="deeper than 64"):
            parse(message.replace(b"[0]", b"[" * 80 + b"]" * 80))

    def test_a_recursion_error_of_the_scanner_is_a_parse_error(self):
        levels = sys.getrecursionlimit() * 100
        with pytest.raises(ParseError, match="too deeply"):
            parse(b"[" * levels + b"]" * levels, max_depth=levels)

    @given(json_objects, st.integers(1, 8))
    def test_the_limit_is_exact_for_any_value(self, params, max_depth):
        def depth(value: object) -> int:
            if isinstance(value, dict):
                value = list(value.values())
            return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

        message = body(method="m", params=params)
        if 1 + depth(params) <= max_depth:
            assert parse(message, max_depth=max_depth) == Notification("m", params)
        else:
            with pytest.raises(ParseError):
                parse(message, max_depth=max_depth)


class TestBatches:
    def batch(self, *members: object) -> bytes:
        return json.dumps(members).encode()

    def test_a_list_is_a_batch(self):
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        note = {"jsonrpc": "2.0", "method": "n", "params": {"a": 1}}
        answer = {"jsonrpc": "2.0", "id": 5, "result": {}}

        assert parse(self.batch(ping, note, answer)) == [
            Request(1, "ping", {}),
            Notification("n", {"a": 1}),
            Response(5, {}),
        ]

    def test_a_member_that_is_no_message_does_not_spoil_the_others(self):
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        broken = {"jsonrpc": "2.0", "id": 2, "method": 3}

        members = parse(self.batch(broken, ping, [ping], 7))

        assert members[1] == Request(1, "ping", {})
        assert [type(member) for member in members] == [
            InvalidRequest,
            Request,
            InvalidRequest,
            InvalidRequest,
        ]
        assert [members[0].id, members[2].id, members[3].id] == [2, None, None]

    def test_the_length_of_a_batch_is_bounded(self):
        note = {"jsonrpc": "2.0", "method": "n"}

        assert len(parse(self.batch(*[note] * 100))) == 100
        with pytest.raises(InvalidRequest, match="not 101"):
            parse(self.batch(*[note] * 101))


@given(st.binary())
def test_no_bytes_raise_anything_but_the_two_errors(data):
    with suppress(ParseError, InvalidRequest):
        parse(data)


@given(st.lists(st.sampled_from([*'[]{}":,\\ue1-.nN', "\ud800", "jsonrpc", "2.0", "id"])))
def test_no_scrambled_json_raises_anything_but_the_two_errors(pieces):
    with suppress(ParseError, InvalidRequest):
        parse("".join(pieces).encode("utf-8", "surrogatepass"), max_depth=3)


@given(json_values)
def test_no_json_raises_anything_but_an_invalid_request(value):
    with suppress(InvalidRequest):
        parse(json.dumps(value).encode())


class TestWriting:
    def test_json_is_compact_and_utf_8(self):
        assert jsonrpc.dumps({"a": ["ü", 1, None]}) == '{"a":["ü",1,null]}'.encode()

    def test_a_lone_surrogate_is_written_as_its_escape(self):
        assert jsonrpc.dumps({"a": "ü\ud800"}) == b'{"a":"\\u00fc\\ud800"}'

    @pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
    def test_numbers_json_does_not_have_are_refused(self, number):
        with pytest.raises(ValueError, match="JSON has no NaN"):
            jsonrpc.dumps({"a": [number]})

    def test_a_type_json_does_not_have_is_refused(self):
        with pytest.raises(TypeError, match=r"Cannot be written as JSON.*set"):
            jsonrpc.dumps({"a": {1}})

    def test_a_value_that_contains_itself_is_refused(self):
        value: list[object] = []
        value.append(value)

        with pytest.raises(ValueError, match="Circular"):
            jsonrpc.dumps(value)

    def test_a_value_nested_too_deeply_is_refused(self):
        value: list[object] = []
        for _ in range(200_000):
            value = [value]

        with pytest.raises(ValueError, match="too deeply"):
            jsonrpc.dumps(value)

        while value:  # or else the garbage collector recurses as deeply
            value = value.pop()

    def test_a_result_may_be_written_already(self):
        expected = b'{"jsonrpc":"2.0","id":3,"result":{"a":1}}'

        assert jsonrpc.result_bytes(3, {"a": 1}) == expected
        assert jsonrpc.result_bytes(3, b'{"a":1}') == expected

    def test_an_id_is_written_with_its_type(self):
        assert jsonrpc.result_bytes("3", b"{}") == b'{"jsonrpc":"2.0","id":"3","result":{}}'
        assert jsonrpc.result_bytes('a"\ud800', b"{}") == (
            b'{"jsonrpc":"2.0","id":"a\\"\\ud800","result":{}}'
        )

    def test_an_error_carries_its_data(self):
        assert json.loads(jsonrpc.error_bytes(1, MethodNotFound("a/b"))) == {
            "jsonrpc": "2.0",
            "id": 1,
            "error": {"code": -32601, "message": "Method not found: a/b", "data": "a/b"},
        }

    def test_an_error_without_a_readable_request_has_no_id(self):
        assert json.loads(jsonrpc.error_bytes(None, ParseError("p"))) == {
            "jsonrpc": "2.0",
            "error": {"code": -32700, "message": "p"},
        }

    def test_empty_params_are_left_out(self):
        assert jsonrpc.request_bytes(1, "ping") == b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
        assert jsonrpc.notification_bytes("n", {}) == b'{"jsonrpc":"2.0","method":"n"}'


class TestPlainJson:
    @given(json_values)
    def test_is_written_as_by_dumps(self, value):
        assert json.loads(jsonrpc.dumps_plain(value)) == json.loads(jsonrpc.dumps(value))

    @pytest.mark.parametrize("value", ["\ud800", {"a": ["\udfff"]}, {"\ud800": 1}])
    def test_lone_surrogates_are_written_as_escapes(self, value):
        assert jsonrpc.dumps_plain(value) == jsonrpc.dumps(value)

    @pytest.mark.parametrize("value", [10**400, -(2**63) - 1, 1e308, 5e-324, 1e-7, -0.0])
    def test_numbers_stay_what_they_are(self, value):
        assert repr(json.loads(jsonrpc.dumps_plain(value))) == repr(value)


class TestRoundTrips:
    @given(ids, texts, json_objects)
    def test_a_request(self, request_id, method, params):
        written = jsonrpc.request_bytes(request_id, method, params)
        assert parse(written) == Request(request_id, method, params)

    @given(texts, json_objects)
    def test_a_notification(self, method, params):
        assert parse(jsonrpc.notification_bytes(method, params)) == Notification(method, params)

    @given(ids, json_objects)
    def test_a_result(self, request_id, result):
        assert parse(jsonrpc.result_bytes(request_id, result)) == Response(request_id, result)

    @given(ids | st.none(), st.text())
    def test_an_error(self, request_id, message):
        written = jsonrpc.error_bytes(request_id, ParseError(message))
        assert parse(written) == ErrorResponse(request_id, {"code": -32700, "message": message})
