"""A command and a page that ask another library: here, this one in the same process."""

from __future__ import annotations

from io import StringIO
from unittest.mock import AsyncMock, patch

from django.core.management import CommandError, call_command
from django.test import TestCase
from django.urls import reverse

from django_mcp import default_server
from django_mcp.client import Client
from django_mcp.remote.models import RemoteServer
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


class NextDoorTests(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        call_command("load_library", stdout=StringIO())

    async def ask(self) -> str:
        page = await self.async_client.get(reverse("library:next-door"), {"q": "white whale"})
        return page.content.decode() if page.status_code == 200 else page["Location"]

    async def test_the_page_shows_what_the_library_next_door_finds(self) -> None:
        client = AsyncMock(return_value=Client(default_server()))
        with patch("library.views.aget_client", client):
            self.assertIn("Moby-Dick", await self.ask())

    async def test_where_it_is_has_to_be_said_in_the_admin(self) -> None:
        self.assertIn("nobody has said yet", await self.ask())

    async def test_a_library_that_is_closed_is_no_error_of_the_page(self) -> None:
        await RemoteServer.objects.acreate(name="next-door", url="http://127.0.0.1:9/mcp")
        self.assertIn("does not answer", await self.ask())

    async def test_who_has_to_connect_is_sent_to_do_so_and_comes_back(self) -> None:
        kind = RemoteServer.Authorization.USER
        await RemoteServer.objects.acreate(
            name="next-door", url="http://127.0.0.1:9/mcp", authorization=kind
        )
        url = await self.ask()
        self.assertTrue(url.startswith("/remote/next-door/connect/?next=%2Fnext-door%2F"), url)
