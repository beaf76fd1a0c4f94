"""What a session is told of, where who keeps it takes a while to say what it follows."""

from __future__ import annotations

import asyncio

from django_mcp.protocol.revisions import V2025_11_25
from django_mcp.server.broker import Change, InMemoryBroker
from django_mcp.server.sessions import Change as SessionChange
from django_mcp.server.sessions import InMemorySessions, Session
from django_mcp.server.subscriptions import SessionSubscription


class Slow(InMemorySessions):
    """Says what it found when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def find(self, key: str) -> Session | None:
        found = await super().find(key)
        self.asked.set()
        await self.answers.wait()
        return found


async def opened() -> tuple[Slow, Session]:
    store = Slow()
    session = Session(
        key="key",
        server="test",
        owner="user:1",
        place="",
        revision=V2025_11_25,
        client_info={},
        capabilities={},
    )
    await store.open(session)
    return store, session


async def test_what_happens_while_a_session_is_read_is_not_missed() -> None:
    store, session = await opened()
    broker = InMemoryBroker()
    subscription = SessionSubscription(session, lambda: None)
    subscription.open(broker)
    await store.change("key", SessionChange(follow="x://a"))
    subscription.refresh()
    taking = asyncio.ensure_future(subscription.take(store))
    await store.asked.wait()

    broker.publish(Change("resource", "x://a"))
    broker.publish(Change("resource", "x://other"))
    await asyncio.sleep(0)
    store.answers.set()

    assert await taking == [Change("resource", "x://a")]
    subscription.close()


async def test_a_session_that_changes_while_it_is_read_is_read_again() -> None:
    store, session = await opened()
    broker = InMemoryBroker()
    subscription = SessionSubscription(session, lambda: None)
    subscription.open(broker)
    taking = asyncio.ensure_future(subscription.take(store))
    await store.asked.wait()

    await store.change("key", SessionChange(follow="x://a"))
    subscription.refresh()
    broker.publish(Change("resource", "x://a"))
    await asyncio.sleep(0)
    store.answers.set()

    assert await taking == [Change("resource", "x://a")]
    subscription.close()
