"""The summary of calls: numbers of a period, and the chart."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from django_mcp.admin import summary
from django_mcp.admin.pages import duration
from tests.admin.conftest import call, text_of

PAGE = "/admin/django_mcp/call/summary/"


def shown(client: Client, **query: str) -> summary.Summary:
    response = client.get(PAGE, query)
    assert response.status_code == 200
    found: summary.Summary = response.context["summary"]
    return found


def lines(table: summary.Table) -> list[tuple[str, int, int]]:
    return [(row.name, row.of.calls, row.of.errors) for row in table.rows]


def test_calls_and_errors_are_counted_by_tool_client_and_user(root: Client) -> None:
    for _ in range(3):
        call()
    call(outcome="tool_error", client="chat")
    call(target="lend", outcome="timed_out", user_label="bob", principal="user:8")
    call(target="", method="tools/list", client="chat", outcome="cancelled")

    found = shown(root)

    assert (found.of.calls, found.of.errors) == (6, 2)
    tools, clients, users = found.tables
    assert lines(tools) == [("find_books", 4, 1), ("lend", 1, 1)]
    assert lines(clients) == [("editor", 4, 1), ("chat", 2, 1)]
    assert lines(users) == [("ada", 5, 1), ("bob", 1, 1)]
    assert tools.rows[0].query == "target=find_books"


def test_a_user_is_one_whatever_they_came_with(root: Client) -> None:
    call(principal="user:7", user_key="7")
    call(principal="oauth:1:7", user_key="7")
    call(principal="machine:1", user_key="", user_label="")

    users = shown(root).tables[2]

    assert lines(users) == [("ada", 2, 0), ("machine:1", 1, 0)]
    assert [row.query for row in users.rows] == ["user_key=7", "principal=machine%3A1"]


def test_percentiles_are_of_the_calls_and_not_of_their_average(root: Client) -> None:
    for _ in range(18):
        call(milliseconds=10.0)
    call(milliseconds=1000.0)
    call(milliseconds=10_000.0)

    found = shown(root).of

    assert found.p50 == pytest.approx(10, rel=0.1)
    assert found.p95 == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize(
    ("period", "age", "bars"),
    [
        ("hour", 30, 60),
        ("day", 600, 24),
        ("week", 5 * 1440, 28),
        ("month", 20 * 1440, 30),
        ("quarter", 80 * 1440, 90),
    ],
)
def test_each_period_has_its_bars(root: Client, period: str, age: int, bars: int) -> None:
    call(age=age)
    call(age=1, outcome="error")
    call(age=100 * 1440)

    found = shown(root, period=period)

    assert found.of.calls == 2
    assert len(found.bars) == bars
    assert sum(bar.height > 0 for bar in found.bars) == 2
    assert sum(bar.failed_height > 0 for bar in found.bars) == 1
    assert found.most == 1


def test_what_nobody_knows_as_a_period_is_a_day(root: Client) -> None:
    assert shown(root, period="../../x").period.name == "day"


def test_a_server_may_be_chosen(root: Client) -> None:
    call()
    call(server="other", target="o")

    found = shown(root, server="other")

    assert lines(found.tables[0]) == [("o", 1, 0)]
    assert found.servers == ["library", "other"]


def test_a_table_has_the_busiest_and_no_more(
    root: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(summary.MOST_ROWS + 5):
        for _ in range(1 + number % 2):
            call(
                target=f"tool_{number:02}",
                client=f"c{number}",
                principal=f"user:{number}",
                user_key=f"{number}",
            )

    with django_assert_max_num_queries(12):
        found = shown(root)

    assert [len(table.rows) for table in found.tables] == [summary.MOST_ROWS] * 3
    assert found.tables[0].rows[0].of.calls == 2


def test_without_calls_the_page_says_so(root: Client) -> None:
    response = root.get(PAGE)

    assert text_of(response).count("No calls.") == 3
    assert response.context["summary"].of.error_rate == "-"


def test_the_page_has_nothing_a_strict_policy_of_content_forbids(root: Client) -> None:
    call(client='"><script>alert(1)</script>', target="<img src=x onerror=alert(1)>")

    content = root.get(PAGE).content.decode()
    own = content[content.index('class="mcp-summary"') : content.rindex("</table>")]

    assert not re.search(r"<script|<style|\sstyle=|\son\w+=[\"']", own)
    assert "&lt;img src=x onerror" in own


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(0.42, "0.4 ms"), (12.3, "12 ms"), (1500, "1.5 s"), (90_000, "1.5 min")],
)
def test_durations_have_the_unit_that_suits_them(milliseconds: float, words: str) -> None:
    assert duration(milliseconds) == words
