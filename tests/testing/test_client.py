"""`django_mcp.testing`: what a project's own tests say, and what they are told."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.test import TestCase
from pydantic import BaseModel

from django_mcp import Context, MCPServer
from django_mcp.client import Client as PlainClient
from django_mcp.client import ServerError, ToolFailed
from django_mcp.testing import (
    CANCEL,
    Client,
    LiveServer,
    UnexpectedQuestions,
    assert_conforms,
)

REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
#: Those in which a server can ask the user.
ASKING = REVISIONS[2:]


_numbers = count(1)


class Copies(BaseModel):
    copies: int = 1
    reason: str


@pytest.fixture
def server() -> MCPServer:
    # The server of another test may be there still, and is not the one that is named.
    server = MCPServer(f"stall {next(_numbers)}", version="1")

    @server.tool
    def count_users() -> int:
        """Count the users."""
        return User.objects.count()

    @server.tool
    async def name_users() -> list[str]:
        """Name the users."""
        return [user.username async for user in User.objects.order_by("username")]

    @server.tool(permission="auth.add_user")
    def add_user(name: str) -> int:
        """Add a user."""
        return int(User.objects.create(username=name).pk)

    @server.tool
    async def order(ctx: Context) -> str:
        """Order copies."""
        answer = await ctx.ask("How many?", Copies)
        await ctx.report_progress(1, 1)
        await ctx.info("ordered")
        return f"{answer.action} {answer.data!r}"

    @server.tool
    async def delete(ctx: Context) -> bool:
        """Delete everything."""
        return await ctx.confirm("Delete?")

    @server.tool
    def rename(ctx: Context) -> str:
        """Rename the tools."""
        server.notify_tools_changed()
        return "done"

    return server


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_call_on_each_revision(
    mcp_client: Callable[..., Client], server: MCPServer, revision: str, db: None
) -> None:
    async with mcp_client(server, revision=revision) as client:
        assert client.revision == revision
        assert (await client.call_tool("count_users")).text == "0"


@pytest.mark.parametrize("tool", ["count_users", "name_users"])
async def test_tools_see_what_the_test_has_not_committed(
    mcp_client: Callable[..., Client], server: MCPServer, tool: str, db: None
) -> None:
    await User.objects.acreate(username="ada")
    async with mcp_client(server) as client:
        result = await client.call_tool(tool)
    assert result.structured_content in (1, ["ada"])


async def test_a_user_sees_what_the_permissions_allow(
    mcp_client: Callable[..., Client], server: MCPServer, db: None
) -> None:
    user = await User.objects.acreate(username="ada")
    async with mcp_client(server, user=user) as client:
        assert "add_user" not in [tool.name for tool in await client.list_tools()]
        with pytest.raises(ServerError, match="add_user"):
            await client.call_tool("add_user", {"name": "bob"})

    await user.user_permissions.aadd(await Permission.objects.aget(codename="add_user"))
    user = await User.objects.aget(pk=user.pk)
    async with mcp_client(server, user=user) as client:
        assert "add_user" in [tool.name for tool in await client.list_tools()]
        await client.call_tool("add_user", {"name": "bob"})
    assert await User.objects.filter(username="bob").aexists()


@pytest.mark.parametrize("revision", ASKING)
async def test_questions_are_answered_and_kept(
    mcp_client: Callable[..., Client], server: MCPServer, revision: str
) -> None:
    async with mcp_client(server, revision=revision, answers=[{"reason": "fun"}, False]) as client:
        ordered = await client.call_tool("order")
        assert (await client.call_tool("delete")).text == "false"
    assert ordered.text == "accept Copies(copies=1, reason='fun')"
    assert [question.message for question in client.questions] == ["How many?", "Delete?"]
    assert [step.progress for step in client.steps] == [1]
    assert [line.data for line in client.logs] == ["ordered"]


async def test_an_answer_may_be_a_function_or_the_end(
    mcp_client: Callable[..., Client], server: MCPServer
) -> None:
    def choose(question: Any) -> dict[str, Any]:
        return {"reason": question.message, "copies": 7}

    async with mcp_client(server, answers=[choose, CANCEL]) as client:
        assert "copies=7" in (await client.call_tool("order")).text
        assert (await client.call_tool("order")).text == "cancel None"


async def test_a_question_without_an_answer_is_named(
    mcp_client: Callable[..., Client], server: MCPServer
) -> None:
    with pytest.raises(UnexpectedQuestions, match=r"Delete\?"):
        async with mcp_client(server, answers=[]) as client:
            await client.call_tool("delete")


async def test_an_answer_without_a_question_is_named(
    mcp_client: Callable[..., Client], server: MCPServer
) -> None:
    with pytest.raises(UnexpectedQuestions, match="True"):
        async with mcp_client(server, answers=[True]) as client:
            await client.call_tool("rename")


async def test_without_answers_nobody_can_be_asked(
    mcp_client: Callable[..., Client], server: MCPServer
) -> None:
    async with mcp_client(server) as client:
        with pytest.raises((ToolFailed, ServerError)):
            await client.call_tool("delete")


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
async def test_changes_are_heard(
    mcp_client: Callable[..., Client], server: MCPServer, revision: str
) -> None:
    async with mcp_client(server, revision=revision) as client:
        async with client.listen(tools=True) as changes:
            await client.call_tool("rename")
            assert (await anext(changes)).kind == "tools"
        await client.notified("notifications/tools/list_changed")


async def test_a_server_is_found_by_its_name(
    mcp_client: Callable[..., Client], server: MCPServer
) -> None:
    async with mcp_client(server.name) as client:
        assert client.server_info is not None
        assert client.server_info.name == server.name
    with pytest.raises(LookupError, match="'shup'"):
        mcp_client("shup")


async def test_a_result_conforms_to_the_schema_of_its_tool(
    mcp_client: Callable[..., Client], server: MCPServer, db: None
) -> None:
    async with mcp_client(server) as client:
        tools = {tool.name: tool for tool in await client.list_tools()}
        result = await client.call_tool("count_users")
    assert_conforms(result, tools["count_users"])
    with pytest.raises(AssertionError, match="does not fit its output schema"):
        assert_conforms(result, tools["name_users"])


class InATestCase(TestCase):
    """Django's own kind of test, with the transaction it rolls back."""

    async def test_a_tool_shares_the_transaction(self) -> None:
        server = MCPServer("in a test case", version="1")

        @server.tool
        def count_users() -> int:
            """Count the users."""
            return User.objects.count()

        await User.objects.acreate(username="ada")
        async with Client(server) as client:
            result = await client.call_tool("count_users")
        self.assertEqual(result.text, "1")  # noqa: PT009, as a project writes it


def test_a_live_server_has_the_rows_of_the_test(
    mcp_live_server: LiveServer, server: MCPServer
) -> None:

    user = User.objects.create(username="ada")
    user.user_permissions.add(Permission.objects.get(codename="add_user"))

    async def conversation() -> Any:
        async with PlainClient(mcp_live_server.url(server, user=user)) as client:
            await client.call_tool("add_user", {"name": "bob"})
            return await client.call_tool("name_users")

    assert async_to_sync(conversation)().structured_content == ["ada", "bob"]
    assert User.objects.filter(username="bob").exists()
