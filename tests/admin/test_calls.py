"""Calls in the admin: the list, one call, and the list as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.utils import timezone

from django_mcp.admin import export
from django_mcp.models import Call
from tests.admin.conftest import Staff, call, person, text_of

LIST = "/admin/django_mcp/call/"


def of_export(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_the_list_says_what_was_called_by_whom_and_how_it_ended(root: Client) -> None:
    call(target="lend", outcome="error", code=-32602, milliseconds=1234.0, user_label="")

    page = text_of(root.get(LIST))

    for words in ("refused (-32602)", "tools/call", "lend", "user:7", "editor 1.2", "1.2 s"):
        assert words in page
    assert "300 / 1,200" in page


def test_a_project_that_keeps_no_calls_is_told_how_to(root: Client, settings: Any) -> None:
    assert "No calls are being kept" not in text_of(root.get(LIST))

    settings.DJANGO_MCP = {"SESSIONS": "database"}

    assert 'DJANGO_MCP["AUDIT"]' in root.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("outcome__exact=error", ["refused"]),
        ("method=prompts/get", ["review"]),
        ("longer=1000", ["slow"]),
        ("server=other", ["elsewhere"]),
        ("revision=2025-11-25", ["old"]),
        ("q=bob", ["bobs"]),
        ("correlation=" + "d" * 32, ["joined"]),
        ("session=key", ["in_session"]),
        ("user_key=9", ["bobs"]),
    ],
)
def test_the_list_can_be_filtered_and_searched(root: Client, query: str, found: list[str]) -> None:
    call()
    call(target="refused", outcome="error")
    call(target="review", method="prompts/get")
    call(target="slow", milliseconds=2000.0)
    call(target="elsewhere", server="other")
    call(target="old", revision="2025-11-25")
    call(target="bobs", user_label="bob", user_key="9")
    call(target="joined", correlation="d" * 32)
    call(target="in_session", session="key")

    response = root.get(f"{LIST}?{query}")

    assert [row.target for row in response.context["cl"].result_list] == found
    assert [row["target"] for row in of_export(root.get(f"{LIST}export/?{query}"))] == found


def test_the_list_makes_few_queries_however_many_rows(
    root: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        call()

    with django_assert_max_num_queries(9):
        assert root.get(LIST).status_code == 200


def test_no_more_rows_are_counted_than_there_is_need_to(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_mcp.admin.pages.MOST_COUNTED", 3)
    for _ in range(5):
        call()

    assert root.get(LIST).context["cl"].result_count == 3


def test_months_and_days_can_be_chosen(root: Client) -> None:
    day = timezone.localtime(call(target="new").called)
    old = timezone.localtime(call(target="old", age=40 * 1440).called)

    months = root.get(f"{LIST}?outcome__exact=ok")
    chosen = f"outcome__exact=ok&called__year={old.year}&called__month={old.month}"
    days = root.get(f"{LIST}?{chosen}")
    one = root.get(f"{LIST}?{chosen}&called__day={old.day}")

    assert months.context["dates"][0].query == chosen
    assert months.context["dates"][-1].query.endswith(f"called__month={day.month}")
    assert [row.target for row in days.context["cl"].result_list] == ["old"]
    assert days.context["dates"][0].is_back
    assert f"called__day={old.day}" in days.context["dates"][1].query
    assert [row.target for row in one.context["cl"].result_list] == ["old"]
    assert one.context["dates"][0].title.endswith(str(old.year))


def test_within_a_month_days_are_offered_at_once(root: Client) -> None:
    call()

    (choice,) = root.get(LIST).context["dates"]

    assert "called__day" in choice.query


@pytest.mark.parametrize(
    "query",
    ["called__year=x", "called__month=13", "called__year=9999&called__month=99", "called__year=0"],
)
def test_dates_that_are_none_are_no_error_of_the_server(root: Client, query: str) -> None:
    call()

    assert root.get(f"{LIST}?{query}").status_code in (200, 302)


def test_one_call_leads_to_its_user_and_to_what_belongs_to_it(root: Client) -> None:
    ada = person("ada")
    row = call(user_key=str(ada.pk), arguments={"query": "<b>Emma</b>"})

    page = root.get(f"{LIST}{row.pk}/change/").content.decode()

    assert f'href="/admin/auth/user/{ada.pk}/change/"' in page
    assert f"?correlation={row.correlation}" in page
    assert "&lt;b&gt;Emma&lt;/b&gt;" in page
    assert "<b>Emma" not in page


def test_a_call_of_a_user_who_is_gone_still_has_a_page(root: Client) -> None:
    row = call(user_key="999", session="gone")

    page = text_of(root.get(f"{LIST}{row.pk}/change/"))

    assert "ada" in page
    assert "gone" in page


def test_nobody_adds_or_changes_a_call(root: Client) -> None:
    row = call()

    assert root.get(f"{LIST}add/").status_code == 403
    assert root.post(f"{LIST}{row.pk}/change/", {"target": "other"}).status_code == 403
    row.refresh_from_db()
    assert row.target == "find_books"


def test_who_may_not_see_calls_sees_none(staff: Staff) -> None:
    row = call()
    client = staff("view_session")

    for page in ("", "summary/", "export/", f"{row.pk}/change/"):
        assert client.get(f"{LIST}{page}").status_code == 403
    assert Client().get(f"{LIST}export/").status_code == 302


def test_who_may_only_see_them_deletes_none(staff: Staff) -> None:
    row = call()
    client = staff("view_call")

    assert client.get(LIST).status_code == 200
    assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Call.objects.count() == 1


def test_who_may_delete_them_does(staff: Staff) -> None:
    row = call()

    staff("view_call", "delete_call").post(f"{LIST}{row.pk}/delete/", {"post": "yes"})

    assert Call.objects.count() == 0


# ------------------------------------------------------------------------------------------- CSV


def test_selected_calls_are_exported(root: Client) -> None:
    first, _, third = call(target="a"), call(target="b"), call(target="c", arguments={"n": 1})

    response = root.post(
        LIST, {"action": "export_selected", "_selected_action": [first.pk, third.pk]}
    )

    rows = of_export(response)
    assert [row["target"] for row in rows] == ["c", "a"]
    assert rows[0]["arguments"] == '{"n": 1}'
    assert response["Content-Disposition"] == 'attachment; filename="calls.csv"'


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", " =1"]
)
def test_no_cell_is_a_formula(root: Client, formula: str) -> None:
    call(client=formula, code=-32602)

    (row,) = of_export(root.get(f"{LIST}export/"))

    assert row["client"].lstrip(" ") == (formula if formula[0] == " " else f"'{formula}").lstrip()
    assert row["code"] == "-32602"


def test_a_long_table_is_read_a_piece_at_a_time(
    root: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr(export, "PIECE", 2)
    for number in range(5):
        call(target=str(number))

    response = root.get(f"{LIST}export/")
    with django_assert_max_num_queries(3):
        assert [row["target"] for row in of_export(response)] == list("43210")


async def test_an_export_streams_under_asgi() -> None:
    await sync_to_async(call)()
    client = AsyncClient()
    await client.aforce_login(await sync_to_async(User.objects.create_superuser)("root"))

    response: Any = await client.get(f"{LIST}export/")

    assert response.is_async
    lines = b"".join([piece async for piece in response.streaming_content]).splitlines()
    assert len(lines) == 2
    assert b"find_books" in lines[1]
