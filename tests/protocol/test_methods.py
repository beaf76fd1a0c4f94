"""The table of methods: who may send what, and since and until when.

That it has every method of the official schemas, and no other, is in test_official_schema.py.
"""

from __future__ import annotations

import pytest

from django_mcp.protocol import types as t
from django_mcp.protocol.methods import METHODS, Method, find
from django_mcp.protocol.revisions import (
    REVISIONS,
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
    Revision,
)


def test_a_method_is_found_with_its_params_and_result() -> None:
    method = find("tools/call", V2026_07_28, "client")
    assert method is not None
    assert (method.params, method.result) == (t.CallToolRequestParams, t.CallToolResult)


@pytest.mark.parametrize(
    ("name", "revision", "sender"),
    [
        ("initialize", V2026_07_28, "client"),
        ("ping", V2026_07_28, "client"),
        ("logging/setLevel", V2026_07_28, "client"),
        ("resources/subscribe", V2026_07_28, "client"),
        ("server/discover", V2025_11_25, "client"),
        ("subscriptions/listen", V2025_11_25, "client"),
        ("elicitation/create", V2025_03_26, "server"),
        ("elicitation/create", V2026_07_28, "server"),
        ("notifications/elicitation/complete", V2025_06_18, "server"),
        ("notifications/progress", V2026_07_28, "client"),
        ("tools/call", V2025_11_25, "server"),
        ("roots/list", V2025_11_25, "client"),
        ("tools/burn", V2025_11_25, "client"),
        ("tools/call", V2025_11_25, "both"),
    ],
)
def test_what_a_revision_lacks_or_the_other_side_sends_is_not_found(
    name: str, revision: Revision, sender: str
) -> None:
    assert find(name, revision, sender) is None


def test_what_both_sides_send_is_found_for_either() -> None:
    assert find("ping", V2024_11_05, "client") is find("ping", V2024_11_05, "server") is not None


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.sender}-{method.name}")
def test_a_method_is_found_in_exactly_the_revisions_of_its_row(method: Method) -> None:
    sender = "client" if method.sender == "both" else method.sender
    for revision in REVISIONS:
        expected = method if method.exists_in(revision) else None
        assert find(method.name, revision, sender) is expected


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.sender}-{method.name}")
def test_requests_have_results_and_notifications_have_none(method: Method) -> None:
    assert (method.result is not None) == (method.kind == "request")
    assert method.name.startswith("notifications/") == (method.kind == "notification")


def test_three_methods_may_be_answered_with_questions() -> None:
    asking = {method.name for method in METHODS if method.may_ask}
    assert asking == {"tools/call", "prompts/get", "resources/read"}


def test_the_params_of_what_may_ask_can_hold_answers() -> None:
    for method in METHODS:
        holds = issubclass(method.params, t.InputResponseRequestParams)
        assert holds == method.may_ask, method.name


def test_six_methods_say_how_long_their_result_may_be_kept() -> None:
    cacheable = {method.name for method in METHODS if method.cacheable}
    assert cacheable == {
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
    }
    for method in METHODS:
        holds = method.result is not None and issubclass(method.result, t.CacheableResult)
        assert holds == method.cacheable, method.name


def test_the_name_header_repeats_a_param_that_exists() -> None:
    named = {method.name: method.named for method in METHODS if method.named}
    assert named == {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
    for method in METHODS:
        assert method.named is None or method.named in method.params.model_fields
