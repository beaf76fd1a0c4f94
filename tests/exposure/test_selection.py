"""What can be exposed, and what refuses to be."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session

from django_mcp import MCPServer, ModelResource
from django_mcp import models as own
from django_mcp.server.errors import RegistrationError

from .depot import models
from .depot.server import Guest


def shown(server: MCPServer, tool: str) -> list[str]:
    found = server.tools.find(tool)
    assert found is not None
    assert found.definition.output_schema is not None
    return list(found.definition.output_schema["properties"])


def test_all_fields_are_those_that_hold_no_secret(server: MCPServer) -> None:
    server.expose(models.Thing, fields="__all__", exclude=["code", "data"])

    names = shown(server, "get_thing")

    assert {"password", "api_token", "code", "data"}.isdisjoint(names)
    assert {"id", "name", "maker", "tags", "picture"} <= set(names)


def test_a_field_that_looks_secret_can_be_named(server: MCPServer) -> None:
    server.expose(models.Thing, fields=["api_token"])

    assert shown(server, "get_thing") == ["id", "api_token"]


def test_of_a_user_the_password_stays_hidden(server: MCPServer) -> None:
    server.expose(User, fields="__all__", tools=["get"])

    assert "password" not in shown(server, "get_user")
    with pytest.raises(RegistrationError, match="password"):
        MCPServer("other").expose(User, fields=["username", "password"])


@pytest.mark.parametrize("model", [Session, models.ApiKey])
def test_models_that_hold_credentials_are_refused(server: MCPServer, model: Any) -> None:
    with pytest.raises(RegistrationError, match="holds credentials"):
        server.expose(model, fields="__all__")


def test_the_sessions_of_the_server_itself_are_refused(server: MCPServer) -> None:
    for model in (own.Session, own.StreamEvent):
        with pytest.raises(RegistrationError, match="holds credentials"):
            server.expose(model, fields="__all__")


def test_a_relation_to_credentials_is_refused(server: MCPServer) -> None:
    with pytest.raises(RegistrationError, match="'apikey' leads to depot"):
        server.expose(models.Thing, fields=["name", "apikey"])
    with pytest.raises(RegistrationError, match="holds credentials"):
        server.expose(models.Thing, fields=["apikey__value"])


@pytest.mark.parametrize(
    ("never", "fields"),
    [
        (["depot.Thing"], ["name"]),
        (["depot.Thing.price"], ["name", "price"]),
        (["*.*.price"], ["price"]),
        (["depot.Maker"], ["maker"]),
        (["depot.Maker.salary"], ["maker__salary"]),
        (["DEPOT.maker.SALARY"], ["maker__salary"]),
    ],
    ids=str,
)
def test_what_the_project_never_exposes_is_refused(
    server: MCPServer, settings: Any, never: list[str], fields: list[str]
) -> None:
    settings.DJANGO_MCP = {**settings.DJANGO_MCP, "NEVER_EXPOSE": never}

    with pytest.raises(RegistrationError, match="never exposed"):
        server.expose(models.Thing, fields=fields)


def test_what_is_never_exposed_is_not_among_all_fields(server: MCPServer, settings: Any) -> None:
    settings.DJANGO_MCP = {
        **settings.DJANGO_MCP,
        "NEVER_EXPOSE": ["depot.Thing.price", "depot.Maker"],
    }
    server.expose(models.Thing, fields="__all__")

    assert {"price", "maker"}.isdisjoint(shown(server, "get_thing"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "which fields may be seen"),
        ({"fields": ["nothing"]}, "has no 'nothing' to expose"),
        ({"fields": ["maker__nothing"]}, "has no 'maker__nothing' to expose"),
        ({"fields": ["name__first"]}, "has no 'name__first' to expose"),
        ({"fields": ["tags__word"]}, "goes through 'tags', of which an object has several"),
        ({"fields": ["__class__"]}, "has no '__class__' to expose"),
        ({"fields": ["_meta"]}, "has no '_meta' to expose"),
        ({"fields": ["objects"]}, "has no 'objects' to expose"),
        ({"fields": ["save"]}, "has no 'save' to expose"),
        ({"fields": ["name", "name"]}, "named twice"),
        ({"fields": "name"}, "a list of names"),
        ({"fields": "__all__", "exclude": ["nothing"]}, "which is nothing"),
        ({"fields": ["name"], "search_fields": ["notes"]}, "search_fields names 'notes'"),
        ({"fields": ["count"], "search_fields": ["count"]}, "no text"),
        ({"fields": ["name"], "filter_fields": ["count"]}, "filter_fields names 'count'"),
        ({"fields": ["data"], "filter_fields": ["data"]}, "cannot be filtered by"),
        ({"fields": ["name"], "filter_fields": {"name": ["regex"]}}, "cannot be filtered with"),
        ({"fields": ["name"], "ordering": ["maker__salary"]}, "ordering names 'maker__salary'"),
        ({"fields": ["name"], "ordering": ["-count"]}, "ordering names '-count'"),
        ({"fields": ["tags"], "ordering": ["tags"]}, "ordering names 'tags'"),
        ({"fields": ["name"], "ordering_fields": ["count"]}, "ordering names 'count'"),
        ({"fields": ["name"], "lookup_field": "name"}, "lookup_field is 'name'"),
        ({"fields": ["name"], "lookup_field": "nothing"}, "lookup_field is 'nothing'"),
        ({"fields": ["name"], "tools": ["list", "drop"]}, "there are list, get, search"),
        ({"fields": ["name"], "list_per_page": 0}, "list_per_page is 0"),
        ({"fields": ["name"], "list_per_page": 200}, "list_max_per_page 100"),
        ({"fields": ["name"], "page_size": 20}, "no option 'page_size'"),
        ({"fields": ["name"], "model": models.Tag}, "no option 'model'"),
        (
            {"fields": ["name"], "object_permissions": True, "query": True},
            "scope them with get_queryset",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_at_once(
    server: MCPServer, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RegistrationError) as refused:
        server.expose(models.Thing, ModelResource, **options)

    assert message in str(refused.value)
    assert list(server.tools) == []


def test_a_model_is_exposed_once_on_a_server(server: MCPServer) -> None:
    server.expose(models.Thing, fields=["name"])

    with pytest.raises(RegistrationError, match="exposed on this server already"):
        server.expose(models.Thing, fields=["count"])
    MCPServer("other").expose(models.Thing, fields=["count"])


def test_where_a_name_is_taken_nothing_is_registered(server: MCPServer) -> None:
    @server.tool
    def get_thing() -> str:
        return "another"

    with pytest.raises(RegistrationError, match="'get_thing' is registered already"):
        server.expose(models.Thing, fields=["name"])
    assert [tool.key for tool in server.tools] == ["get_thing"]
    server.expose(models.Thing, fields=["name"], name="item")


def test_the_resource_of_a_model_stays_a_class(server: MCPServer) -> None:
    @server.expose(models.Tag)
    class Tags(ModelResource):
        fields = ("word",)

    assert issubclass(Tags, ModelResource)


async def test_names_can_be_chosen(server: MCPServer, ann: Any) -> None:
    server.expose(
        models.Thing, fields=["name"], search_fields=["name"], name="item", plural="stock"
    )

    assert list(await Guest(server, ann).tools()) == ["list_stock", "get_item", "search_stock"]


def test_a_relation_to_anything_has_no_schema(server: MCPServer) -> None:
    server.expose(Permission, fields=["name", "content_type"], tools=["get"])

    assert shown(server, "get_permission") == ["id", "name", "content_type"]
