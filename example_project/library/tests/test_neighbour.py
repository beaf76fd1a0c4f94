"""The command that asks another library: here, this one in the same process."""

from __future__ import annotations

from io import StringIO

from django.core.management import CommandError, call_command
from django.test import TestCase

from django_mcp import default_server
from library.management.commands.neighbour import books_of


class NeighbourTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        call_command("load_library", stdout=StringIO())

    async def test_another_library_is_asked_what_it_has(self) -> None:
        found = await books_of(default_server(), "white whale")

        self.assertEqual(found, ["Moby-Dick, by Herman Melville"])

    async def test_nothing_is_found_where_nothing_is(self) -> None:
        self.assertEqual(await books_of(default_server(), "no such book"), [])

    def test_a_library_that_is_not_there_is_an_error(self) -> None:
        with self.assertRaisesMessage(CommandError, "The other library does not answer"):
            call_command("neighbour", "http://127.0.0.1:9/mcp", "whale", stdout=StringIO())
