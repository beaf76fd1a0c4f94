"""The official schemas are the judge: of every message of every revision, and of every field.

Each schema is closed first: where it lists the properties of an object and does not say that there
may be others, there may be none. So it also notices a field the revision does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from django_mcp.protocol import types as t
from django_mcp.protocol.codec import decode, encode
from django_mcp.protocol.methods import METHODS, Method
from django_mcp.protocol.revisions import LATEST, REVISIONS, V2025_11_25, V2026_07_28, Revision

from . import samples

SCHEMAS = Path(__file__).parent / "schemas"

# Definitions that are no shapes of ours: envelopes, errors, unions of whole messages (jsonrpc.py,
# errors.py and methods.py stand for them), and the tasks of 2025-11-25, which are tolerated only.
ENVELOPES = {
    "ClientNotification",
    "ClientRequest",
    "ClientResult",
    "Error",
    "InternalError",
    "Notification",
    "Request",
    "ServerNotification",
    "ServerRequest",
    "ServerResult",
}
TASKS = {
    "CancelTaskResult",
    "CreateTaskResult",
    "GetTaskPayloadResult",
    "GetTaskResult",
    "ListTasksResult",
    "RelatedTaskMetadata",
    "Task",
    "TaskAugmentedRequestParams",
    "TaskMetadata",
    "TaskStatus",
    "TaskStatusNotificationParams",
}
TASK_METHODS = {
    "notifications/tasks/status",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
}
# Names that a later revision changed.
RENAMED = {"Annotated": "Annotations", "ResourceReference": "ResourceTemplateReference"}


# ------------------------------------------------------------------------------------- the judge


@cache
def schema_of(revision: Revision) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{revision}.json").read_text())
    return schema


def definitions_of(revision: Revision) -> dict[str, Any]:
    schema = schema_of(revision)
    definitions: dict[str, Any] = schema.get("$defs") or schema["definitions"]
    return definitions


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    # `_meta` is open to anybody in every revision, whatever keys a schema lists.
    schema = {
        key: part if key == "_meta" or key.endswith("MetaObject") else closed(part)
        for key, part in schema.items()
    }
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
        # What a message is about says nothing about `_meta` in the older schemas; the definitions
        # of Request and Notification allow it in all params.
        if "params" in schema["properties"] and "method" in schema["properties"]:
            schema["properties"]["params"].get("properties", {}).setdefault("_meta", {})
    return schema


@cache
def closed_schema_of(revision: Revision) -> dict[str, Any]:
    schema: dict[str, Any] = closed(schema_of(revision))
    return schema


def judge(wire: object, definition: str, revision: Revision) -> list[str]:
    """List what the schema has to say against it."""
    schema = closed_schema_of(revision)
    where = "$defs" if "$defs" in schema else "definitions"
    validator = Draft202012Validator if where == "$defs" else Draft7Validator
    errors = validator({**schema, "$ref": f"#/{where}/{definition}"}).iter_errors(wire)
    if where == "definitions":
        # In draft 7 a $ref makes its siblings invisible, the definitions among them.
        errors = validator(
            {"allOf": [{"$ref": f"#/definitions/{definition}"}], "definitions": schema[where]}
        ).iter_errors(wire)
    return [f"{error.json_path}: {error.message[:300]}" for error in errors]


def methods_in(revision: Revision) -> dict[str, str]:
    """Map each method name of the schema to the definition of its message."""
    return {
        definition["properties"]["method"]["const"]: name
        for name, definition in definitions_of(revision).items()
        # ClientNotification of 2026-07-28 is a copy of its only arm.
        if name not in ENVELOPES and "const" in definition.get("properties", {}).get("method", {})
    }


def messages_of(method: Method, revision: Revision) -> Iterator[dict[str, Any]]:
    for params in samples.PARAMS[method.name]:
        if isinstance(params, t.ElicitRequestURLParams) and revision < V2025_11_25:
            continue
        message = {"method": method.name, "params": encode(params, revision)}
        properties = definitions_of(revision)[methods_in(revision)[method.name]]["properties"]
        if "jsonrpc" in properties:
            message["jsonrpc"] = "2.0"
        if "id" in properties:
            message["id"] = 1
        yield message


ROWS = [
    pytest.param(method, revision, id=f"{revision} {method.sender} {method.name}")
    for revision in REVISIONS
    for method in METHODS
    if method.exists_in(revision)
]
ANSWERED = [row for row in ROWS if row.values[0].kind == "request"]  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(("method", "revision"), ROWS)
def test_every_message_fits_the_schema_of_its_revision(method: Method, revision: Revision) -> None:
    for message in messages_of(method, revision):
        assert judge(message, methods_in(revision)[method.name], revision) == []


@pytest.mark.parametrize(("method", "revision"), ANSWERED)
def test_every_result_fits_the_schema_of_its_revision(method: Method, revision: Revision) -> None:
    for result in samples.RESULTS[method.name]:
        definition = type(result).__name__
        assert judge(encode(result, revision), definition, revision) == []


@pytest.mark.parametrize("name", samples.OTHERS)
def test_what_travels_in_messages_of_2026_07_28_fits_its_schema(name: str) -> None:
    assert judge(encode(samples.OTHERS[name], V2026_07_28), name, V2026_07_28) == []


@pytest.mark.parametrize("definition", ["InputRequests", "InputResponses"])
def test_questions_and_answers_of_2026_07_28_fit_its_schema(definition: str) -> None:
    asked = encode(samples.INPUT_REQUIRED, V2026_07_28)["inputRequests"]
    answered = encode(samples.PARAMS["tools/call"][0], V2026_07_28)["inputResponses"]
    wire = asked if definition == "InputRequests" else answered
    assert judge(wire, definition, V2026_07_28) == []


@pytest.mark.parametrize(("method", "revision"), ROWS)
def test_every_message_is_read_back_as_it_was_written(method: Method, revision: Revision) -> None:
    for message in messages_of(method, revision):
        read = decode(method.params, message["params"], revision)
        assert encode(read, revision) == message["params"]


@pytest.mark.parametrize(("method", "revision"), ANSWERED)
def test_every_result_is_read_back_as_it_was_written(method: Method, revision: Revision) -> None:
    for result in samples.RESULTS[method.name]:
        wire = encode(result, revision)
        assert encode(decode(type(result), wire, revision), revision) == wire


@pytest.mark.parametrize("revision", REVISIONS[:-1], ids=str)
def test_the_judge_notices_fields_of_a_later_revision(revision: Revision) -> None:
    newest = encode(samples.RESULTS["tools/list"][0], LATEST)
    assert judge(newest, "ListToolsResult", revision) != []


# ------------------------------------------------------------- nothing forgotten, nothing invented


@pytest.mark.parametrize("revision", REVISIONS, ids=str)
def test_the_table_has_exactly_the_methods_of_the_schema(revision: Revision) -> None:
    ours = {method.name for method in METHODS if method.exists_in(revision)}
    theirs = set(methods_in(revision)) - TASK_METHODS
    # In 2026-07-28 these are no requests of their own, but parts of a result.
    parts = {"elicitation/create", "sampling/createMessage", "roots/list"}
    assert ours == (theirs - parts if revision is V2026_07_28 else theirs)


def allows(union: dict[str, Any] | None, definition: str, method: str) -> bool:
    """Tell whether a union of messages has the definition as an arm, or is nothing but it."""
    if union is None:
        return False
    if "anyOf" in union:
        return any(arm["$ref"].rpartition("/")[2] == definition for arm in union["anyOf"])
    return bool(union["properties"]["method"]["const"] == method)


@pytest.mark.parametrize("revision", REVISIONS, ids=str)
def test_both_sides_send_exactly_what_the_schema_lets_them(revision: Revision) -> None:
    definitions, named = definitions_of(revision), methods_in(revision)
    for union, sender, kind in [
        ("ClientRequest", "client", "request"),
        ("ClientNotification", "client", "notification"),
        ("ServerRequest", "server", "request"),
        ("ServerNotification", "server", "notification"),
    ]:
        theirs = {name for name, arm in named.items() if allows(definitions.get(union), arm, name)}
        ours = {
            method.name
            for method in METHODS
            if method.exists_in(revision)
            and method.kind == kind
            and method.sender in (sender, "both")
        }
        assert ours == theirs - TASK_METHODS, union


def is_message_part(name: str) -> bool:
    return (
        name not in ENVELOPES | TASKS
        and not name.startswith("JSONRPC")
        and not name.endswith(("Notification", "Request", "Response", "Error"))
    ) or name in {"CreateMessageRequest", "ElicitRequest", "ListRootsRequest", "InputRequest"}


@pytest.mark.parametrize("revision", REVISIONS, ids=str)
def test_every_part_of_a_message_in_the_schema_has_a_type(revision: Revision) -> None:
    parts = {name for name in definitions_of(revision) if is_message_part(name)}
    assert {RENAMED.get(name, name) for name in parts} - set(t.__all__) == set()


@pytest.mark.parametrize("revision", REVISIONS, ids=str)
def test_every_type_has_exactly_the_fields_of_its_definition(revision: Revision) -> None:
    different = {}
    for name, definition in definitions_of(revision).items():
        type_ = getattr(t, RENAMED.get(name, name), None)
        if "properties" not in definition or not isinstance(type_, type):
            continue
        theirs = set(definition["properties"]) - {"jsonrpc", "task"}
        if "jsonrpc" in definition["properties"]:
            theirs.discard("id")
        if name == "Annotated":
            theirs = set(definition["properties"]["annotations"]["properties"])
        ours = fields_in(type_, revision)
        if ours != theirs:
            different[name] = (ours - theirs, theirs - ours)
    assert different == {}


def fields_in(type_: type[t.WireModel], revision: Revision) -> set[str]:
    return {
        field.alias or name
        for name, field in type_.model_fields.items()
        if all(m.holds(revision) for m in field.metadata if isinstance(m, t.Since | t.Until))
    }


def test_the_samples_set_every_field_of_every_type() -> None:
    seen: dict[type[t.WireModel], set[str]] = {}
    for sample in samples.every_sample():
        for value in parts_of(sample):
            filled = {name for name in type(value).model_fields if getattr(value, name) is not None}
            seen.setdefault(type(value), set()).update(filled)
    all_types = {
        type_
        for type_ in vars(t).values()
        if isinstance(type_, type) and issubclass(type_, t.WireModel)
    }
    # Classes that only others are made of.
    leaves = {type_ for type_ in all_types if not (all_types & set(type_.__subclasses__()))}
    assert leaves - set(seen) == set()
    assert {
        type_.__name__: missing
        for type_, filled in seen.items()
        if (missing := set(type_.model_fields) - filled)
    } == {}


def parts_of(value: object) -> Iterator[t.WireModel]:
    if isinstance(value, t.WireModel):
        yield value
        value = value.__dict__
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from parts_of(part)
