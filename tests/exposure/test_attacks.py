"""Reaching for what is hidden, on every way there is: the answer is that for what does not exist.

Each attack is made twice, with a name or a key that exists and is hidden, and with one that does
not exist anywhere. The two answers have to be the same, letter for letter, but for the name itself.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from django_mcp import MCPServer, ModelResource
from tests.doors import Reply

from .depot import models
from .depot.server import Guest, user_with

#: Names of the model, or of what its relations lead to, that are not exposed.
HIDDEN = (
    "password",
    "api_token",
    "code",
    "maker_id",
    "owner",
    "owner__password",
    "owner__username",
    "maker__salary",
    "maker__country__hidden",
    "tags__secret_weight",
    "tags__word",
    "apikey",
    "apikey__value",
    "papers__title",
    "_state",
    "objects",
    "__class__",
)
#: A name nothing has, as long as the hidden one, since nothing may depend on that either.
NOBODY = "zq"


def nobody_like(name: str) -> str:
    return "__".join((NOBODY * len(part))[: len(part)] for part in name.split("__"))


class Things(ModelResource):
    """Some things, and little of them."""

    fields = ("name", "count", "price", "maker", "tags", "papers", "made_on")
    search_fields = ("name",)
    ordering = ("name",)

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).filter(fragile=False)


class Makers(ModelResource):
    """Makers that are in no hidden country."""

    fields = ("name",)

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).exclude(country__hidden=True)


class Papers(ModelResource):
    """Papers that are not private."""

    fields = ("title",)

    def get_queryset(self, ctx: Any) -> Any:
        return super().get_queryset(ctx).filter(private=False)


@pytest.fixture
def guest(server: MCPServer, stock: None) -> Guest:
    """Somebody who may see things, makers and papers, as far as their resources let them."""
    server.expose(models.Thing, Things)
    server.expose(models.Maker, Makers)
    server.expose(models.Paper, Papers)
    models.Thing.objects.filter(pk=3).update(maker=2)
    models.Paper.objects.create(pk=1, thing_id=1, title="Bill")
    models.Paper.objects.create(pk=2, thing_id=1, title="Diary", private=True)
    return Guest(server, user_with("view_thing", "view_maker", "view_paper"))


def told(reply: Reply, *names: str) -> Any:
    """What a reply says, without the names that were asked for, and without its id.

    And without the hint at arguments there are, of which everybody is told, and of which one may be
    called alike.
    """
    message = {key: value for key, value in reply.json.items() if key != "id"}
    text = json.dumps(message, sort_keys=True)
    for name in names:
        text = text.replace(name, "NAME")
    text = re.sub(r"; (?:did you mean|there are) [^\"\\]*", "", text)
    return reply.status, text


ARGUMENTS: dict[str, Any] = {
    "equal": lambda name: ("list_things", {name: "hunter2"}),
    "begins": lambda name: ("list_things", {f"{name}__startswith": "h"}),
    "contains": lambda name: ("list_things", {f"{name}__contains": "unt"}),
    "pattern": lambda name: ("list_things", {f"{name}__regex": "^h"}),
    "above": lambda name: ("list_things", {f"{name}__gt": 1}),
    "empty": lambda name: ("list_things", {f"{name}__isnull": False}),
    "one of": lambda name: ("list_things", {f"{name}__in": ["hunter2"]}),
    "in a search": lambda name: ("search_things", {"search": "lamp", name: "hunter2"}),
    "got by": lambda name: ("get_thing", {"id": 1, name: "hunter2"}),
    "got by alone": lambda name: ("get_thing", {name: "hunter2"}),
    "order": lambda name: ("list_things", {"order_by": name}),
    "order backwards": lambda name: ("list_things", {"order_by": f"-{name}"}),
    "order of a search": lambda name: ("search_things", {"search": "lamp", "order_by": name}),
}


@pytest.mark.parametrize("attack", ARGUMENTS)
def test_a_hidden_name_is_answered_like_one_that_nothing_has(guest: Guest, attack: str) -> None:
    told_apart = []
    for name in HIDDEN:
        answers = []
        for each in (name, nobody_like(name)):
            tool, arguments = ARGUMENTS[attack](each)
            reply = guest.ask_now("tools/call", name=tool, arguments=arguments)
            answers.append(told(reply, each))
        if answers[0] != answers[1]:
            told_apart.append((name, *answers))

    assert told_apart == []


KEYS: dict[str, Any] = {
    # A thing outside the queryset, and one that does not exist.
    "got": ("get_thing", lambda key: {"id": key}, 2, 9),
    # A maker whose country is hidden, and none.
    "filtered by": ("list_things", lambda key: {"maker": key}, 2, 9),
    "filtered by some": ("list_things", lambda key: {"maker__in": [key]}, 2, 9),
    "filtered by many": ("list_things", lambda key: {"papers": key}, 2, 9),
    "got through another": ("get_maker", lambda key: {"id": key}, 2, 9),
    "searched": ("search_things", lambda word: {"search": word}, "Anchor", "Anchor9"),
    "beyond the page": (
        "list_things",
        lambda key: {"id": key},
        2,
        9,
    ),
}


@pytest.mark.parametrize("attack", KEYS)
def test_a_hidden_row_is_answered_like_one_that_is_not_there(guest: Guest, attack: str) -> None:
    tool, arguments, hidden, nothing = KEYS[attack]
    answers = [
        told(guest.ask_now("tools/call", name=tool, arguments=arguments(key)), f" {key}.")
        for key in (hidden, nothing)
    ]

    assert answers[0] == answers[1]


def test_the_schemas_tell_of_nothing_hidden(guest: Guest) -> None:
    text = json.dumps(guest.ask_now("tools/list").json)

    for word in ("password", "token", "salary", "secret_weight", "hidden", "fragile", "owner"):
        assert word not in text


def test_the_rows_tell_of_nothing_hidden(guest: Guest) -> None:
    text = json.dumps(guest.ask_now("tools/call", name="list_things", arguments={}).json)

    for word in ("hunter2", "t0ken", "Anchor", "Deep", "Diary"):
        assert word not in text
    assert "Lamp" in text
    assert "Bill" in text
