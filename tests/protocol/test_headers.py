"""MCP's headers: text in a header and back, and arguments that are mirrored into headers."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_mcp.protocol.errors import HeaderMismatch
from django_mcp.protocol.headers import (
    ParamHeader,
    check_param_headers,
    decode_value,
    encode_value,
    mirror,
    param_headers,
)

# 2026-07-28, basic/transports/streamable-http#value-encoding.
ENCODED = [
    ("us-west1", "us-west1"),
    ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
    (" padded ", "=?base64?IHBhZGRlZCA=?="),
    ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
    ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
]


class TestValues:
    @pytest.mark.parametrize(("value", "header"), ENCODED)
    def test_the_examples_of_the_specification(self, value, header):
        assert encode_value(value) == header
        assert decode_value(header) == value

    @pytest.mark.parametrize(
        "value",
        ["", "a", "a b", "=?base64?", "?=", "=?BASE64?YQ==?=", "=?base64?YQ==", "a=?base64?YQ==?="],
    )
    def test_what_is_safe_and_not_the_sentinel_is_literal(self, value):
        assert encode_value(value) == value
        assert decode_value(value) == value

    @pytest.mark.parametrize(
        "value", ["\t", "a\tb", "a ", " ", "a\x00", "a\r\nX: b", "\x7f", "ü", "=?base64??="]
    )
    def test_what_is_not_safe_is_encoded(self, value):
        assert encode_value(value).startswith("=?base64?")
        assert decode_value(encode_value(value)) == value

    def test_a_tab_inside_and_blanks_around_a_value_are_read(self):
        assert decode_value(" \ta\tb ") == "a\tb"

    def test_the_sentinel_without_room_for_a_payload_is_literal(self):
        assert decode_value("=?base64?=") == "=?base64?="

    @pytest.mark.parametrize(
        "payload",
        [
            "YQ",  # padding missing
            "YQ=",
            "YQ===",
            "YR==",  # bits after the last byte
            "YQ==YQ==",
            "Y Q==",
            "YQ==\t",
            "_-8=",  # another alphabet
            "Y",
            "=",
            "/w==",  # not UTF-8
            "7aCA",  # a surrogate
        ],
    )
    def test_a_malformed_sentinel_is_a_mismatch(self, payload):
        with pytest.raises(HeaderMismatch, match="Base64"):
            decode_value(f"=?base64?{payload}?=")

    @pytest.mark.parametrize("value", ["ü", "a\x00b", "a\nb", "a\x7f", "=?base64?ü?=", "\u212a"])
    def test_characters_that_a_header_must_not_have_are_a_mismatch(self, value):
        with pytest.raises(HeaderMismatch, match="visible ASCII"):
            decode_value(value)

    def test_a_lone_surrogate_cannot_be_encoded(self):
        with pytest.raises(ValueError, match="surrogate"):
            encode_value("a\ud800")

    @given(st.text())
    def test_any_text_comes_back_and_is_safe_on_the_way(self, value):
        header = encode_value(value)

        assert header.isascii()
        assert header.isprintable()
        assert header == header.strip()
        assert decode_value(header) == value

    @given(st.text())
    def test_any_header_is_read_or_a_mismatch(self, header):
        with suppress(HeaderMismatch):
            decode_value(header)
            assert header.isascii()

    @given(st.text(alphabet="YQR=+/_w8", max_size=12))
    def test_no_two_sentinels_mean_the_same(self, payload):
        try:
            value = decode_value(f"=?base64?{payload}?=")
        except HeaderMismatch:
            return
        assert base64.b64encode(value.encode()).decode() == payload


def schema(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


REGION = {"type": "string", "x-mcp-header": "Region"}
ELSEWHERE = {
    "root": {**schema(), "x-mcp-header": "A"},
    "items": schema(a={"type": "array", "items": REGION}),
    "properties in items": schema(a={"items": schema(b=REGION)}),
    "prefixItems": schema(a={"prefixItems": [REGION]}),
    "contains": schema(a={"contains": REGION}),
    "anyOf": schema(a={"anyOf": [REGION, {"type": "null"}]}),
    "properties in allOf": {"allOf": [schema(a=REGION)]},
    "oneOf": {"oneOf": [REGION]},
    "not": {"not": REGION},
    "if": {"if": schema(a=REGION)},
    "then": {"then": schema(a=REGION)},
    "else": {"else": schema(a=REGION)},
    "$defs": {"$defs": {"A": schema(a=REGION)}},
    "a definition named default": {"$defs": {"default": REGION}},
    "definitions": {"definitions": {"A": REGION}},
    "patternProperties": {"patternProperties": {"^a": REGION}},
    "additionalProperties": {"additionalProperties": REGION},
    "unevaluatedProperties": {"unevaluatedProperties": REGION},
    "propertyNames": {"propertyNames": REGION},
    "dependentSchemas": {"dependentSchemas": {"a": REGION}},
    "dependencies": {"dependencies": {"a": REGION, "b": ["a"]}},
    "an unknown keyword": {"x-own": {"deep": [REGION]}},
}


class TestAnnotations:
    def test_a_schema_without_annotations_asks_for_no_header(self):
        assert param_headers(schema(region={"type": "string"})) == ()
        assert param_headers({}) == ()

    def test_an_annotation_asks_for_a_header(self):
        assert param_headers(schema(region=REGION, query={"type": "string"})) == (
            ParamHeader("mcp-param-region", ("region",), "string"),
        )

    def test_nested_properties_may_be_annotated(self):
        inner = schema(on={"type": "boolean", "x-mcp-header": "On"})
        found = param_headers(
            schema(outer=schema(inner=inner), n={"type": "integer", "x-mcp-header": "N"})
        )
        assert found == (
            ParamHeader("mcp-param-on", ("outer", "inner", "on"), "boolean"),
            ParamHeader("mcp-param-n", ("n",), "integer"),
        )

    @pytest.mark.parametrize(
        "name", ["", "a b", "a:b", "a\r\nb", "ä", "a/b", "a(b)", '"a"', "a\n", None, 3, ["a"], True]
    )
    def test_the_name_must_be_a_token(self, name):
        with pytest.raises(ValueError, match="header name"):
            param_headers(schema(a={"type": "string", "x-mcp-header": name}))

    def test_every_token_character_is_allowed(self):
        name = "!#$%&'*+-.^_`|~09azAZ"
        (found,) = param_headers(schema(a={"type": "string", "x-mcp-header": name}))
        assert found.header == "mcp-param-!#$%&'*+-.^_`|~09azaz"

    @pytest.mark.parametrize(
        "kind", ["number", "object", "array", "null", None, ["string"], ["string", "null"], 1]
    )
    def test_the_type_must_be_one_string_integer_or_boolean(self, kind):
        with pytest.raises(ValueError, match="string, integer or boolean"):
            param_headers(schema(a={"type": kind, "x-mcp-header": "A"}))

    def test_a_type_must_be_given(self):
        with pytest.raises(ValueError, match="not None"):
            param_headers(schema(a={"$ref": "#/$defs/A", "x-mcp-header": "A"}))

    def test_names_are_unique_without_regard_to_case(self):
        with pytest.raises(ValueError, match=r"'b\.c'.*taken by 'a'"):
            param_headers(
                schema(a=REGION, b=schema(c={"type": "string", "x-mcp-header": "rEGION"}))
            )

    @pytest.mark.parametrize("misplaced", ELSEWHERE.values(), ids=ELSEWHERE)
    def test_an_annotation_anywhere_else_is_an_error(self, misplaced):
        with pytest.raises(ValueError, match="through `properties` alone"):
            param_headers(misplaced)

    def test_data_in_a_schema_is_not_an_annotation(self):
        data = {"x-mcp-header": "not a token"}
        a = {"const": data, "default": data, "enum": [data], "examples": [data]}
        assert param_headers(schema(a=a)) == ()

    def test_properties_may_be_named_like_keywords(self):
        other = {"type": "string", "x-mcp-header": "Other"}
        found = param_headers(schema(**{"x-mcp-header": REGION, "items": schema(default=other)}))
        assert [param.path for param in found] == [("x-mcp-header",), ("items", "default")]

    @pytest.mark.parametrize("step", ["not", "items"])
    def test_a_schema_may_not_nest_endlessly(self, step):
        deep: dict[str, object] = {}
        for _ in range(5000):
            deep = {step: deep}
        with pytest.raises(ValueError, match="deeper than 64"):
            param_headers(deep)

    @given(
        st.recursive(
            st.none() | st.sampled_from(["string", "A", "a"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["x-mcp-header", "type", "properties", "items", "a", "$defs"]),
                    inner,
                )
            ),
        ).filter(lambda value: isinstance(value, dict))
    )
    def test_no_schema_raises_anything_but_a_value_error(self, any_schema):
        try:
            found = param_headers(any_schema)
        except ValueError:
            return
        assert all(param.path and param.type == "string" for param in found)


STRING = (ParamHeader("mcp-param-s", ("s",), "string"),)
INTEGER = (ParamHeader("mcp-param-n", ("n",), "integer"),)
BOOLEAN = (ParamHeader("mcp-param-b", ("b",), "boolean"),)
NESTED = (ParamHeader("mcp-param-s", ("a", "b"), "string"),)

MATCHING = [
    (STRING, {"s": "x"}, {"mcp-param-s": "x"}),
    (STRING, {"s": ""}, {"mcp-param-s": ""}),
    (STRING, {"s": "x"}, {"mcp-param-s": "=?base64?eA==?="}),
    (STRING, {"s": "世界"}, {"mcp-param-s": "=?base64?5LiW55WM?="}),
    (STRING, {"s": None}, {}),
    (STRING, {}, {}),
    (STRING, None, {}),
    (STRING, {}, {"mcp-param-other": "ü"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "42"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "42.0"}),
    (INTEGER, {"n": 42.0}, {"mcp-param-n": "42"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "=?base64?NDI=?="}),
    (INTEGER, {"n": -7}, {"mcp-param-n": "-7"}),
    (INTEGER, {"n": 0}, {"mcp-param-n": "0"}),
    (INTEGER, {"n": 2**53 - 1}, {"mcp-param-n": "9007199254740991"}),
    (INTEGER, {"n": 1 - 2**53}, {"mcp-param-n": "-9007199254740991"}),
    (BOOLEAN, {"b": True}, {"mcp-param-b": "true"}),
    (BOOLEAN, {"b": False}, {"mcp-param-b": "false"}),
    (NESTED, {"a": {"b": "x"}}, {"mcp-param-s": "x"}),
    (NESTED, {"a": None}, {}),
    (NESTED, {"a": ["b"]}, {}),
    (NESTED, {"a": "b"}, {}),
    # Whether the type is the schema's is for the validation of the arguments to say.
    (INTEGER, {"n": "42"}, {"mcp-param-n": "42"}),
]

MISMATCHING = [
    (STRING, {"s": "x"}, {}),
    (STRING, {"s": ""}, {}),
    (STRING, {"s": "x"}, {"mcp-param-s": "X"}),
    (STRING, {"s": "x"}, {"mcp-param-s": "=?base64?eA?="}),
    (STRING, {"s": "ü"}, {"mcp-param-s": "ü"}),
    (STRING, {"s": "x"}, {"mcp-param-s": "x\x00"}),
    (STRING, {"s": " x"}, {"mcp-param-s": " x"}),
    (STRING, {"s": None}, {"mcp-param-s": ""}),
    (STRING, {"s": None}, {"mcp-param-s": "null"}),
    (STRING, {}, {"mcp-param-s": "x"}),
    (STRING, None, {"mcp-param-s": "x"}),
    (STRING, {"s": ["x"]}, {"mcp-param-s": "x"}),
    (STRING, {"s": {}}, {}),
    (STRING, {"s": "42"}, {"mcp-param-s": "42.0"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "43"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "042"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "+42"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "4.2e1"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "42."}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "4_2"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "42.5"}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "=?base64?2aTZog==?="}),  # Arabic digits
    (INTEGER, {"n": 42}, {"mcp-param-n": ""}),
    (INTEGER, {"n": 42}, {"mcp-param-n": "9" * 10_000}),
    (INTEGER, {"n": 1.5}, {"mcp-param-n": "1.5"}),
    (INTEGER, {"n": 2**53}, {"mcp-param-n": "9007199254740992"}),
    (INTEGER, {"n": True}, {"mcp-param-n": "1"}),
    (BOOLEAN, {"b": True}, {"mcp-param-b": "True"}),
    (BOOLEAN, {"b": True}, {"mcp-param-b": "1"}),
    (BOOLEAN, {"b": False}, {}),
    (NESTED, {"a": {"b": "x"}}, {}),
    (NESTED, {"a": {}}, {"mcp-param-s": "x"}),
]


class TestCalls:
    @pytest.mark.parametrize(("params", "arguments", "headers"), MATCHING)
    def test_headers_that_say_what_the_arguments_say_are_accepted(self, params, arguments, headers):
        assert check_param_headers(params, arguments, headers) is None

    @pytest.mark.parametrize(("params", "arguments", "headers"), MISMATCHING)
    def test_any_other_headers_are_a_mismatch(self, params, arguments, headers):
        with pytest.raises(HeaderMismatch):
            check_param_headers(params, arguments, headers)

    def test_the_message_names_the_header_and_both_values(self):
        with pytest.raises(
            HeaderMismatch, match="Mcp-Param-S header value 'foo' does not match body value 'bar'"
        ):
            check_param_headers(STRING, {"s": "bar"}, {"mcp-param-s": "foo"})

    def test_a_long_value_does_not_fill_the_message(self):
        with pytest.raises(HeaderMismatch) as caught:
            check_param_headers(STRING, {"s": "b" * 5000}, {"mcp-param-s": "a" * 5000})
        assert len(str(caught.value)) < 400

    def test_a_client_mirrors_what_has_a_value(self):
        params = param_headers(
            schema(
                s={"type": "string", "x-mcp-header": "S"},
                t={"type": "string", "x-mcp-header": "T"},
                n={"type": "integer", "x-mcp-header": "N"},
                b={"type": "boolean", "x-mcp-header": "B"},
                absent={"type": "string", "x-mcp-header": "Absent"},
                null={"type": "string", "x-mcp-header": "Null"},
            )
        )
        arguments = {"s": " ü", "t": "", "n": -7, "b": False, "null": None, "other": 1}

        assert mirror(params, arguments) == {
            "mcp-param-s": "=?base64?IMO8?=",
            "mcp-param-t": "",
            "mcp-param-n": "-7",
            "mcp-param-b": "false",
        }

    @pytest.mark.parametrize("value", [1.5, [1], {}])
    def test_a_client_mirrors_nothing_that_a_header_cannot_carry(self, value):
        assert mirror(INTEGER, {"n": value}) == {}

    @pytest.mark.parametrize("number", [2**53, -(2**53), 1e300])
    def test_a_client_must_not_send_an_unsafe_integer(self, number):
        with pytest.raises(ValueError, match="9007199254740991"):
            mirror(INTEGER, {"n": number})

    @given(
        s=st.none() | st.text(),
        n=st.none() | st.integers(1 - 2**53, 2**53 - 1),
        b=st.none() | st.booleans(),
    )
    def test_what_a_client_mirrors_a_server_accepts(self, s, n, b):
        arguments = {"s": s, "n": n, "b": b}
        params = STRING + INTEGER + BOOLEAN

        check_param_headers(params, arguments, mirror(params, arguments))
