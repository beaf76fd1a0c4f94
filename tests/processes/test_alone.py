"""Processes that should share something and do not: clients are told so, and never kept waiting."""

from __future__ import annotations

from tests.services import Postgres

from . import shared
from .client import client
from .conftest import SETTINGS, Start
from .strings import strings


async def test_an_answer_cannot_be_passed_on_without_a_layer(
    postgres: Postgres, start: Start
) -> None:
    environment = shared.environment(postgres, None)
    shared.migrate(SETTINGS, environment)
    pair = start("uvicorn", environment)
    async with client() as one, strings() as held:
        await one.initialize(pair.a)
        _, stream = one.start(pair.a, "puppet", port=held.port)
        puppet = await held.taken()
        puppet.begin("ask", "Who is there?")
        question = await stream.next()

        refused = await one.answer(pair.b, question, value="me")

        assert refused.status_code == 400
        assert "channel layer" in refused.json()["error"]["message"]
        # The question still waits, where it was asked.
        assert (await one.answer(pair.a, question, value="me")).status_code == 202
        assert await puppet.done() == "me"


async def test_a_session_in_memory_is_unknown_elsewhere(start: Start) -> None:
    pair = start("uvicorn", {})
    async with client() as one:
        await one.initialize(pair.a)

        refused = await one.notify(pair.b, "notifications/initialized")

        assert refused.status_code == 404
        assert "initialize" in refused.json()["error"]["message"]
