"""For a project's own tests: a client in memory, as any user and on any revision.

    from django_mcp.testing import Client

    class LendingTests(TestCase):
        async def test_a_book_comes_back(self):
            async with Client(user=self.librarian, answers=[True]) as client:
                result = await client.call_tool("return_book", {"book_id": 7})
            self.assertEqual(result.data, "Thank you.")

The fixtures for pytest are in `django_mcp.pytest_plugin`, which pytest finds by itself.
"""

from __future__ import annotations

from .client import CANCEL, Client, UnexpectedQuestions
from .conforming import assert_conforms
from .live import LiveServer

__all__ = ["CANCEL", "Client", "LiveServer", "UnexpectedQuestions", "assert_conforms"]
