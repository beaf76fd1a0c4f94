"""What is read out of `WWW-Authenticate`, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_mcp.client.auth.challenges import LONGEST, NO_CHALLENGE, bearer_challenge, parse


def test_the_parameters_of_a_bearer_challenge_are_read() -> None:
    challenge = bearer_challenge(
        [
            'Bearer resource_metadata="https://mcp.example/meta?a=1,2", scope="files:read me",'
            " error=insufficient_scope"
        ]
    )

    assert challenge.resource_metadata == "https://mcp.example/meta?a=1,2"
    assert challenge.scopes == ("files:read", "me")
    assert challenge.error == "insufficient_scope"


@pytest.mark.parametrize(
    "headers",
    [
        ['Basic realm="x, Bearer scope=\\"no\\"", Bearer scope="yes"'],
        ["Basic", 'bearer SCOPE="yes"'],
        ["Negotiate YWJj==, Bearer scope = yes"],
        ['Bearer scope="yes", Bearer scope="no"'],
        ['Bearer scope="yes", scope="no"'],
        [', ,Bearer\tscope="y\\es",,'],
    ],
)
def test_a_bearer_challenge_is_found_among_others(headers: list[str]) -> None:
    assert bearer_challenge(headers).scopes == ("yes",)


@pytest.mark.parametrize("header", ["", "Basic", '"', "Bearers scope=a", "=,=", "\u00e9", "a" * 99])
def test_a_header_without_a_bearer_challenge_says_nothing(header: str) -> None:
    assert bearer_challenge([header]) is NO_CHALLENGE


def test_a_parameter_is_read_where_its_neighbour_cannot_be() -> None:
    assert bearer_challenge(['Bearer realm="open, scope=a']).scopes == ("a",)
    assert bearer_challenge(["Bearer @@@, scope=a"]).scopes == ("a",)


def test_no_more_is_read_than_anybody_has_to_say() -> None:
    late = "Bearer " + "x=1, " * LONGEST + "scope=late"

    assert bearer_challenge([late]).scopes == ()


@given(st.lists(st.text(max_size=200), max_size=4))
def test_every_text_is_read_to_its_end(headers: list[str]) -> None:
    assert all(challenge.scheme for challenge in parse(headers))
