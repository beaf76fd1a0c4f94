"""The inspector: who may act as whom, what is shown, and what a call leaves behind."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from pydantic import SecretStr

from django_mcp import Context, MCPServer
from django_mcp.admin import inspection, inspector
from django_mcp.models import Call
from django_mcp.permissions import in_group
from tests.admin.conftest import Staff, person, text_of

PAGE = "/admin/django_mcp/call/inspector/"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> MCPServer:
    """The only server there is."""
    made = MCPServer("library")
    monkeypatch.setattr(inspector, "known_servers", lambda: {"library": made})

    @made.tool(read_only=True)
    def whoami(ctx: Context):  # type: ignore[no-untyped-def]
        return "nobody" if ctx.user is None else str(ctx.user.username)

    @made.tool(permission="django_mcp.view_call")
    async def secret(ctx: Context, count: int, kind: str = "a", flag: bool | None = None):  # type: ignore[no-untyped-def]
        """Tell a secret."""
        await ctx.info({"step": 1})
        await ctx.report_progress(1, 2)
        return f"{count} {kind} {flag}"

    @made.tool(destructive=True)
    async def delete(ctx: Context, what: str):  # type: ignore[no-untyped-def]
        """Delete something."""
        if not await ctx.confirm(f"Delete {what}?"):
            return "Kept."
        answer = await ctx.ask("How often?", int)
        return f"Deleted {answer.data} times."

    @made.tool(permission=in_group("managers"))
    def manage():  # type: ignore[no-untyped-def]
        return "managed"

    @made.tool
    def crash() -> None:
        raise ValueError("the password is swordfish")

    @made.tool
    def log_in(password: SecretStr) -> str:
        return "<script>alert(1)</script>"

    @made.resource("library://shelves/{shelf}")
    def shelf(shelf: str) -> str:
        return f"On {shelf}"

    @made.resource("library://rules")
    def rules() -> str:
        return "Be quiet."

    @made.prompt
    def review(book: str) -> str:
        return f"Review {book}"

    return made


def called(client: Client, name: str, data: dict[str, Any] | None = None, **more: Any) -> Any:
    """The page after a call, of a tool unless another `kind` is given."""
    fields = {"server": "library", "kind": "tools", "as": "form", "name": name, **more}
    response = client.post(PAGE, {**fields, **(data or {})})
    assert response.status_code == 200
    return response.context["page"]


def hidden(response_page: Any, **more: str) -> dict[str, str]:
    """What the page of a question sends along."""
    return {
        "as": "json",
        "arguments": response_page.arguments,
        "state": response_page.state,
        "asked": response_page.asked,
        "correlation": response_page.outcome.correlation,
        **more,
    }


# ------------------------------------------------------------------------------------ what is shown


def test_a_user_s_tools_are_listed_with_their_schemas(root: Client) -> None:
    response = root.get(PAGE, {"name": "secret"})

    page = text_of(response)
    for words in ("whoami", "delete", "Tell a secret.", "count", "integer"):
        assert words in page
    assert Call.objects.filter(method="tools/call").count() == 0
    assert LogEntry.objects.count() == 0


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("resources", "library://rules"),
        ("templates", "library://shelves/{shelf}"),
        ("prompts", "review"),
    ],
)
def test_the_other_lists_are_shown_too(root: Client, kind: str, key: str) -> None:
    page = root.get(PAGE, {"kind": kind, "name": key}).context["page"]

    assert [option[0] for option in page.options] == [key]
    assert page.chosen_key == key
    assert page.problem == ""


def test_the_list_is_that_of_the_user_acted_as(root: Client) -> None:
    person("eve")

    own = root.get(PAGE).context["page"]
    hers = root.get(PAGE, {"user": "eve"}).context["page"]
    nobodys = root.get(PAGE, {"user": ""}).context["page"]

    assert "secret" in [option[0] for option in own.options]
    assert "secret" not in [option[0] for option in hers.options]
    assert [option[0] for option in nobodys.options] == ["whoami", "delete", "crash", "log_in"]


def test_what_is_not_there_is_said(root: Client) -> None:
    assert "no 'nope' here" in root.get(PAGE, {"name": "nope"}).context["page"].problem
    assert "no 'nope' here" in called(root, "nope").problem
    assert root.get(PAGE, {"kind": "x", "server": "y"}).status_code == 200


# ------------------------------------------------------------------------------------------ calls


def test_a_call_runs_as_the_user_and_shows_what_was_said(root: Client) -> None:
    page = called(root, "secret", {"field_0": "3", "field_1": "b", "field_2": "true"})

    assert page.texts == ["3 b True"]
    assert [method for method, _ in page.said] == [
        "notifications/message",
        "notifications/progress",
    ]
    assert called(root, "whoami").texts == ["root"]
    person("eve")
    assert called(root, "whoami", user="eve").texts == ["eve"]
    assert called(root, "whoami", user="").texts == ["nobody"]


def test_arguments_may_be_written_as_json(root: Client) -> None:
    page = called(root, "secret", {"as": "json", "arguments": '{"count": 7}'})

    assert page.texts == ["7 a None"]


@pytest.mark.parametrize(
    "arguments",
    ["{", "[]", "7", "\ufffd", "[" * 100_000, '{"count": NaN}', '{"count": 1e400}'],
    ids=range(7),
)
def test_what_is_no_json_is_not_sent(root: Client, arguments: str) -> None:
    page = called(root, "secret", {"as": "json", "arguments": arguments})

    assert "JSON" in page.problem
    assert page.outcome is None
    assert LogEntry.objects.count() == 0


def test_half_of_a_surrogate_pair_breaks_no_page(root: Client, server: MCPServer) -> None:
    server.add_tool(lambda: "a\ud800b", "halved")

    assert "surrogate" in str(
        called(root, "secret", {"as": "json", "arguments": '{"kind": "\\ud800"}'}).outcome
    )
    assert called(root, "halved").texts == ["a?b"]


@pytest.mark.parametrize("asked", ["{", "[]", "[" * 100_000, '{"a": NaN}'], ids=range(4))
def test_questions_that_cannot_be_read_are_asked_again(root: Client, asked: str) -> None:
    page = called(root, "delete", {"as": "json", "arguments": "{}", "state": "x", "asked": asked})

    assert page.problem == "The questions cannot be read any more: call again."
    assert page.outcome is None


def test_a_field_that_cannot_be_read_is_said_beside_it(root: Client) -> None:
    page = called(root, "secret", {"field_0": "x"})

    assert page.outcome is None
    assert "field_0" in page.form.errors


def test_a_server_s_refusal_and_its_failures_are_shown_in_its_words(root: Client) -> None:
    refused = called(root, "secret", {"as": "json", "arguments": '{"count": "x"}'})
    crashed = root.post(PAGE, {"server": "library", "kind": "tools", "as": "form", "name": "crash"})

    assert refused.failed
    assert "count" in refused.texts[0]
    assert crashed.context["page"].failed
    assert "swordfish" not in crashed.content.decode()


@pytest.mark.parametrize(
    ("kind", "name", "data", "text"),
    [
        ("resources", "library://rules", {}, "Be quiet."),
        ("templates", "library://shelves/{shelf}", {"field_0": "a b"}, "On a b"),
        ("prompts", "review", {"field_0": "Emma"}, "Review Emma"),
    ],
)
def test_resources_are_read_and_prompts_got(
    root: Client, kind: str, name: str, data: dict[str, str], text: str
) -> None:
    assert called(root, name, data, kind=kind).texts == [text]


def test_questions_are_answered_in_a_second_step(root: Client) -> None:
    asked = called(root, "delete", {"field_0": "it"})
    (question,) = asked.questions
    assert question.message == "Delete it?"

    again = called(root, "delete", hidden(asked, action_0="accept"))
    (question,) = again.questions
    done = called(root, "delete", hidden(again, action_0="accept", **{"q0-field_0": "3"}))

    assert done.texts == ["Deleted 3 times."]
    rows = Call.objects.filter(method="tools/call").order_by("pk")
    assert [row.outcome for row in rows] == ["input_required", "input_required", "ok"]
    assert len({row.correlation for row in rows}) == 1


def test_a_question_may_be_declined(root: Client) -> None:
    asked = called(root, "delete", {"field_0": "it"})

    assert called(root, "delete", hidden(asked, action_0="decline")).texts == ["Kept."]


def test_a_state_that_was_changed_is_refused(root: Client) -> None:
    asked = called(root, "delete", {"field_0": "it"})

    page = called(root, "delete", hidden(asked, action_0="accept", arguments='{"what": "all"}'))

    assert page.failed
    assert "requestState" in page.result
    assert "cannot be read" in called(root, "delete", hidden(asked, asked="[]")).problem


def test_a_call_that_takes_too_long_is_given_up(
    root: Client, server: MCPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    @server.tool
    async def sleep(ctx: Context) -> None:
        await asyncio.Event().wait()

    note = inspector._note

    def noting(*arguments: Any) -> None:
        note(*arguments)
        # Not before: the list that is read first may take its time.
        monkeypatch.setattr(inspection, "PATIENCE", 0.01)

    monkeypatch.setattr(inspector, "_note", noting)

    assert "Cancelled" in called(root, "sleep").result
    assert Call.objects.get(target="sleep").outcome == "cancelled"


def test_what_comes_from_a_server_is_text_and_a_secret_is_not_shown_again(root: Client) -> None:
    fields = {"server": "library", "kind": "tools", "as": "form", "name": "log_in"}
    content = root.post(PAGE, {**fields, "field_0": "hunter2"}).content.decode()

    assert "&lt;script&gt;alert(1)" in content
    assert "<script>alert" not in content
    assert re.search('<input type="password" name="field_0"(?![^>]*value)', content)


# ------------------------------------------------------------------------------ what is left behind


def test_a_call_is_noted_in_both_logs(root: Client) -> None:
    eve = person("eve")

    called(root, "whoami", user="eve")

    entry = LogEntry.objects.get()
    row = Call.objects.get(method="tools/call")
    me = User.objects.get(username="root")
    assert entry.user == me
    assert entry.object_repr == "library: tools/call whoami"
    assert "as eve" in entry.change_message
    assert row.correlation in entry.change_message
    assert (row.user_label, row.user_key) == ("eve", str(eve.pk))
    assert (row.client, row.client_id) == ("django-mcp-inspector", f"inspector:{me.pk}")


# ------------------------------------------------------------------------------------ who may what


def test_the_page_needs_its_own_permission(staff: Staff) -> None:
    assert Client().get(PAGE).status_code == 302
    client = staff("view_call", "delete_call", "inspect_as_others")

    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, {"name": "whoami"}).status_code == 403
    assert "Inspector" not in text_of(client.get("/admin/django_mcp/call/"))


def test_with_it_one_acts_as_oneself_or_as_nobody(staff: Staff) -> None:
    client = staff("use_inspector")
    person("eve")

    assert called(client, "whoami").texts == ["staff"]
    assert called(client, "whoami", user="").texts == ["nobody"]
    assert "as whom you may act" in called(client, "whoami", user="eve").problem
    assert Call.objects.filter(user_label="eve").count() == 0


def test_a_call_is_made_with_the_token_of_the_page_only(staff: Staff) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = staff("use_inspector").cookies

    assert strict.get(PAGE, {"name": "whoami"}).status_code == 200
    assert strict.post(PAGE, {"name": "whoami"}).status_code == 403
    assert strict.put(PAGE).status_code in (403, 405)
    assert Call.objects.filter(method="tools/call").count() == 0


@pytest.fixture
def helper(staff: Staff) -> Client:
    """Who may act as others, and has a permission and a group."""
    client = staff("use_inspector", "inspect_as_others", "view_session", name="helper")
    User.objects.get(username="helper").groups.add(Group.objects.create(name="readers"))
    return client


def test_others_with_no_more_rights_may_be_acted_as(helper: Client) -> None:
    eve = person("eve", "view_session")
    eve.groups.add(Group.objects.get(name="readers"))

    assert called(helper, "whoami", user="eve").texts == ["eve"]


def _more_permissions() -> None:
    person("eve", "view_call")


def _a_group() -> None:
    person("eve").groups.add(Group.objects.create(name="managers"))


def _a_permission_by_a_group() -> None:
    person("other", "delete_call")
    group = Group.objects.get(name="readers")
    group.permissions.add(*User.objects.get(username="other").user_permissions.all())
    person("eve").groups.add(group)
    User.objects.get(username="helper").groups.clear()


def _superuser() -> None:
    User.objects.create_superuser("eve")


def _inactive() -> None:
    person("eve", is_active=False)


def _nobody() -> None:
    """There is no such user."""


@pytest.mark.parametrize(
    "eve",
    [_more_permissions, _a_group, _a_permission_by_a_group, _superuser, _inactive, _nobody],
)
def test_nobody_gets_rights_that_are_not_their_own(helper: Client, eve: Any) -> None:
    eve()

    page = called(helper, "whoami", user="eve")

    assert page.problem == "There is no user 'eve' as whom you may act."
    assert page.members == []
    assert Call.objects.count() == 0
    assert LogEntry.objects.count() == 0


def test_a_superuser_acts_as_anybody_who_is_active(root: Client) -> None:
    person("boss", "view_call").groups.add(Group.objects.create(name="managers"))
    person("gone", is_active=False)

    assert called(root, "manage", user="boss").texts == ["managed"]
    assert called(root, "whoami", user="gone").problem
