"""The same secret sent many times at once: one use counts, and nobody is answered with a 500.

What decides are the locks of the database, so it is run on one that has several connections:
`python -m tests.databases postgresql tests/oauth/test_at_once.py`, and the same with `mariadb`, and
with `sqlite`, which is a file.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, connections
from oauth2_provider.models import get_access_token_model

from django_mcp.oauth.connecting import disconnect
from django_mcp.oauth.models import Connection
from tests.oauth.conftest import Door
from tests.oauth.people import Person, Program

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _several_connections(transactional_db: None) -> None:
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("SQLite in memory has tables that are locked at once, and no waiting.")


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, each made in a thread of its own as soon as all are ready."""
    ready = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            ready.wait(30)
            results[place] = call()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def statuses(responses: list[Any]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


def works(door: Door, token: str) -> bool:
    return async_to_sync(door.calling)(token, "look").status == 200


# 53


def test_of_many_who_send_a_code_one_is_given_tokens(
    door: Door, anna: Person, program: Program
) -> None:
    code = anna.allow(program.register().request())["code"]
    responses = at_once(*[lambda: program.redeem(code)] * 6)

    assert statuses(responses) == {200: 1, 400: 5}
    assert get_access_token_model().objects.count() <= 1


# 60


def test_many_refreshes_end_in_no_error_and_some_pairs_that_live(
    door: Door, anna: Person, program: Program
) -> None:
    tokens = program.connect(anna)
    responses = at_once(*[lambda: program.refresh(tokens["refresh_token"])] * 20)
    given = [response.json() for response in responses if response.status_code == 200]

    assert statuses(responses) == {200: 6, 400: 14}
    assert all(works(door, each["access_token"]) for each in given)
    assert program.refresh(given[0]["refresh_token"]).status_code == 200


def test_a_refresh_does_not_outlive_a_connection_that_ends_meanwhile(
    door: Door, anna: Person, program: Program
) -> None:
    tokens = program.connect(anna)
    row = Connection.objects.get()
    *responses, _ = at_once(
        *[lambda: program.refresh(tokens["refresh_token"])] * 5, lambda: disconnect(row)
    )

    assert set(statuses(responses)) <= {200, 400}
    assert not get_access_token_model().objects.exists()


def test_two_consents_at_once_are_one_connection(anna: Person, program: Program) -> None:
    program.register()
    pages = [anna.open(program.request()) for _ in range(4)]
    responses = at_once(*[lambda page=page: anna.answer(page) for page in pages])

    assert statuses(responses) == {303: 4}
    assert Connection.objects.count() == 1
