"""Exposed models as resources: what is read, listed and completed, and by whom."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection

from django_mcp import MCPServer, ModelResource
from django_mcp.exposure.models import completing
from django_mcp.protocol.types import Resource
from django_mcp.server.listings import ListedPage
from tests.conversations.talk import Client

from .depot import models
from .depot.server import Guest, captured_in, user_with


class Unhidden(ModelResource):
    """Vehicles that are not hidden; the boss sees all."""

    fields = ("load", "changed", "paper", "tags")
    lookup_field = "plate"
    max_file_bytes = 10

    def get_queryset(self, ctx: Any) -> Any:
        found = super().get_queryset(ctx)
        return found if ctx.user.username == "boss" else found.filter(hidden=False)


@pytest.fixture
def boss(db: Any) -> Any:
    return user_with("view_vehicle", name="boss")


@pytest.fixture
def bob(db: Any) -> Any:
    return user_with("view_vehicle", name="bob")


@pytest.fixture
def eve(db: Any) -> Any:
    """Who may view nothing."""
    return user_with(name="eve")


@pytest.fixture
def fleet(db: Any) -> list[models.Vehicle]:
    return [
        models.Vehicle.objects.create(plate="a-1", load=3),
        models.Vehicle.objects.create(plate="a-2", hidden=True),
        models.Vehicle.objects.create(plate="b-1"),
    ]


async def read(guest: Guest, uri: str) -> Any:
    """The JSON of a resource, which names itself and its type."""
    (contents,) = (await guest.ask("resources/read", uri=uri)).result["contents"]
    assert contents["uri"] == uri
    assert contents["mimeType"] == "application/json"
    return json.loads(contents["text"])


async def refused(guest: Guest, uri: str) -> Any:
    """The error of reading a resource, without the URI."""
    error = (await guest.ask("resources/read", uri=uri)).error
    return json.loads(json.dumps(error).replace(json.dumps(uri)[1:-1], "…"))


async def listed(guest: Guest) -> list[Any]:
    """Every resource, page by page."""
    found, cursor = [], {}
    while True:
        result = (await guest.ask("resources/list", **cursor)).result
        assert result["cacheScope"] == "private"
        found += result["resources"]
        if "nextCursor" not in result:
            return found
        cursor = {"cursor": result["nextCursor"]}


async def completed(guest: Guest, uri: str, name: str, value: str) -> Any:
    ref = {"type": "ref/resource", "uri": uri}
    argument = {"name": name, "value": value}
    reply = await guest.ask("completion/complete", ref=ref, argument=argument)
    return reply.result["completion"]


# Reading


async def test_an_object_reads_as_the_tool_gets_it(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields="__all__")
    guest = Guest(server, ann)

    assert await read(guest, "depot://things/1") == await guest.call("get_thing", id=1)


async def test_the_collection_is_a_page_that_leads_to_the_next(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields=["name"], ordering=["name"], list_per_page=2)
    guest = Guest(server, ann)

    first = await read(guest, "depot://things")
    second = await read(guest, first["next"])

    assert first["items"] == [
        {"uri": "depot://things/2", "label": "Anchor", "fields": {"id": 2, "name": "Anchor"}},
        {"uri": "depot://things/1", "label": "Lamp", "fields": {"id": 1, "name": "Lamp"}},
    ]
    assert first["next"] == "depot://things?cursor=" + first["next_cursor"]
    assert [item["label"] for item in second["items"]] == ["Zither"]
    assert (second["next_cursor"], second["next"]) == (None, None)
    assert len((await read(guest, "depot://things?limit=3"))["items"]) == 3


async def test_a_cursor_that_is_none_and_a_limit_above_the_ceiling(
    server: MCPServer, ann: Any
) -> None:
    server.expose(models.Thing, fields=["name"])
    guest = Guest(server, ann)

    wrong = await refused(guest, "depot://things?cursor=nonsense")
    assert (wrong["code"], "next_cursor" in wrong["message"]) == (-32602, True)
    assert await refused(guest, "depot://things?limit=101") == await refused(guest, "depot://x/1")


async def test_the_schema_is_that_of_the_tool_and_no_object_can_be_in_its_place(
    server: MCPServer, boss: Any
) -> None:
    await models.Vehicle.objects.acreate(plate="schema")
    server.expose(models.Vehicle, Unhidden)
    guest = Guest(server, boss)

    (contents,) = (await guest.ask("resources/read", uri="depot://vehicles?schema")).result[
        "contents"
    ]
    announced = (await guest.tools())["get_vehicle"]["outputSchema"]

    assert contents["mimeType"] == "application/schema+json"
    schema = json.loads(contents["text"])
    assert schema.pop("$schema") == "https://json-schema.org/draft/2020-12/schema"
    assert schema.pop("title") == "vehicle"
    assert schema == announced
    assert (await read(guest, "depot://vehicles/schema"))["plate"] == "schema"


@pytest.mark.parametrize("plate", ["..", "c:d", "/etc", "a/b", "ä é", "%41", "a?b#c", "{x}"])
async def test_a_key_of_any_characters_leads_to_its_object(
    server: MCPServer, boss: Any, plate: str
) -> None:
    await models.Vehicle.objects.acreate(plate=plate)
    server.expose(models.Vehicle, Unhidden)
    guest = Guest(server, boss)

    *_, resource = await listed(guest)

    assert (await read(guest, resource["uri"]))["plate"] == plate


async def test_what_is_hidden_is_as_unknown_as_what_there_is_not(
    server: MCPServer, boss: Any, bob: Any, fleet: Any
) -> None:
    server.expose(models.Vehicle, Unhidden)
    assert (await read(Guest(server, boss), "depot://vehicles/a-2"))["plate"] == "a-2"
    guest = Guest(server, bob)
    unknown = await refused(guest, "depot://vehicles/zzz")

    for uri in ("depot://vehicles/a-2", "depot://vehicles/a-2/paper", "depot://vehicles/zzz/paper"):
        assert await refused(guest, uri) == unknown
    assert [item["label"] for item in (await read(guest, "depot://vehicles"))["items"]] == [
        "a-1",
        "b-1",
    ]


@pytest.mark.parametrize(
    "uri",
    ["", "?schema", "?limit=1", "/a-1", "/a-1/paper", "/99999999999999999999999999", "/%00"],
)
async def test_who_may_view_nothing_finds_nothing(
    server: MCPServer, eve: Any, fleet: Any, uri: str
) -> None:
    server.expose(models.Vehicle, Unhidden)
    guest = Guest(server, eve)

    assert await refused(guest, f"depot://vehicles{uri}") == await refused(guest, "depot://nothing")
    assert await listed(guest) == []
    assert (await guest.ask("resources/templates/list")).result["resourceTemplates"] == []


@pytest.mark.parametrize("key", ["99999999999999999999999999", "-1", "0", "1.5", "x", "%00"])
async def test_a_key_out_of_all_range_is_unknown(server: MCPServer, ann: Any, key: str) -> None:
    server.expose(models.Thing, fields=["name"])
    guest = Guest(server, ann)

    assert await refused(guest, f"depot://things/{key}") == await refused(guest, "depot://nothing")


async def test_object_permissions_are_asked_of_each(server: MCPServer, ann: Any) -> None:
    @server.expose(models.Thing)
    class Things(ModelResource):
        fields = ("name",)
        object_permissions = True

        def has_view_permission(self, ctx: Any, obj: Any = None) -> bool:
            return obj is None or obj.name != "Lamp"

    guest = Guest(server, ann)
    assert await refused(guest, "depot://things/1") == await refused(guest, "depot://things/9")
    assert [each["title"] for each in (await listed(guest))[2:]] == ["Anchor", "Zither"]
    found = await completed(guest, "depot://things/{id}", "id", "")
    assert found["values"] == ["2", "3"]


# Files


@pytest.fixture
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    (tmp_path / "secret.txt").write_text("secret")
    return tmp_path


async def test_the_bytes_of_a_file(server: MCPServer, boss: Any, fleet: Any, media: Path) -> None:
    fleet[0].paper.save("one.png", ContentFile(b"\x89PNG\x00"), save=False)
    await fleet[0].asave()
    server.expose(models.Vehicle, Unhidden)
    guest = Guest(server, boss)

    reply = await guest.ask("resources/read", uri="depot://vehicles/a-1/paper")

    (contents,) = reply.result["contents"]
    assert contents == {
        "uri": "depot://vehicles/a-1/paper",
        "mimeType": "image/png",
        "blob": base64.b64encode(b"\x89PNG\x00").decode(),
    }
    assert (await read(guest, "depot://vehicles/a-1"))["paper"]["name"] == fleet[0].paper.name


async def test_a_file_that_is_too_long_is_not_sent(
    server: MCPServer, boss: Any, fleet: Any, media: Path
) -> None:
    for vehicle, size in zip(fleet, (10, 11), strict=False):
        vehicle.paper.save("x", ContentFile(b"x" * size), save=False)
        await vehicle.asave()
    server.expose(models.Vehicle, Unhidden)
    guest = Guest(server, boss)

    (just,) = (await guest.ask("resources/read", uri="depot://vehicles/a-1/paper")).result[
        "contents"
    ]
    assert just["mimeType"] == "application/octet-stream"
    error = await refused(guest, "depot://vehicles/a-2/paper")
    assert (error["code"], "more than 10 bytes" in error["message"]) == (-32602, True)


@pytest.mark.parametrize(
    "name", ["", "gone.txt", "../secret.txt", "{}/secret.txt", "sub", "a/../.."]
)
async def test_what_is_no_file_of_the_storage_is_not_found(
    server: MCPServer, boss: Any, fleet: Any, media: Path, name: str
) -> None:
    (media / "media" / "sub").mkdir(parents=True)
    await models.Vehicle.objects.filter(plate="a-1").aupdate(paper=name.format(media))
    server.expose(models.Vehicle, Unhidden)
    guest = Guest(server, boss)

    assert await refused(guest, "depot://vehicles/a-1/paper") == await refused(guest, "depot://no")


# Listing


async def test_objects_follow_what_is_registered_and_each_sees_their_own(
    server: MCPServer, boss: Any, bob: Any, fleet: Any
) -> None:
    server.page_size = 2
    server.expose(models.Vehicle, Unhidden)
    server.add_resource("depot://hours", "9 to 5")

    whole = await listed(Guest(server, boss))
    part = await listed(Guest(server, bob))

    uris = [resource["uri"] for resource in whole]
    assert uris[:3] == ["depot://vehicles", "depot://vehicles?schema", "depot://hours"]
    assert uris[3:] == [f"depot://vehicles/{plate}" for plate in ("a-1", "a-2", "b-1")]
    assert [r["uri"] for r in part] == [u for u in uris if u != "depot://vehicles/a-2"]
    assert whole[3] == {
        "uri": "depot://vehicles/a-1",
        "name": "vehicle a-1",
        "title": "a-1",
        "mimeType": "application/json",
        "annotations": {"lastModified": fleet[0].changed.isoformat()},
    }


async def test_several_models_one_after_the_other(server: MCPServer, ann: Any) -> None:
    server.page_size = 3
    server.expose(models.Tag, fields=["word"])
    server.expose(models.Thing, fields=["name"], listed=False)
    server.expose(models.Country, fields=["name"])
    guest = Guest(server, ann)

    uris = [resource["uri"] for resource in await listed(guest)]

    assert uris[6:] == [
        "depot://tags/1",
        "depot://tags/2",
        "depot://countrys/at" if "depot://countrys" in uris else "depot://countries/at",
        "depot://countrys/fr" if "depot://countrys" in uris else "depot://countries/fr",
    ]


async def test_a_cursor_into_a_list_there_is_not_is_refused(
    server: MCPServer, boss: Any, eve: Any, fleet: Any
) -> None:
    server.page_size = 3
    server.expose(models.Vehicle, Unhidden)
    cursor = (await Guest(server, boss).ask("resources/list")).result["nextCursor"]

    for wrong in (
        base64.urlsafe_b64encode(json.dumps(["resources", "depot://vehicles", "x"]).encode()),
        base64.urlsafe_b64encode(json.dumps(["resources", "depot://else", None]).encode()),
        base64.urlsafe_b64encode(json.dumps(["resources", "depot://vehicles", 5]).encode()),
    ):
        error = (await Guest(server, boss).ask("resources/list", cursor=wrong.decode())).error
        assert error["code"] == -32602
    refusal = (await Guest(server, eve).ask("resources/list", cursor=cursor)).error
    assert refusal["message"] == error["message"]


async def test_listing_and_reading_take_as_many_queries_however_much_there_is(
    server: MCPServer, boss: Any, fleet: Any
) -> None:
    server.page_size = 12
    server.expose(models.Vehicle, Unhidden)
    guest = Guest(server, boss)

    async def count(method: str, **params: Any) -> list[str]:
        found = await captured_in(guest.ask(method, **params))
        assert not any("COUNT(" in statement for statement in found)
        return found

    asked = [
        ("resources/list", {}),
        ("resources/read", {"uri": "depot://vehicles"}),
        ("resources/read", {"uri": "depot://vehicles/a-1"}),
    ]
    await listed(guest)  # The user's permissions are looked up once.
    few = [len(await count(method, **params)) for method, params in asked]
    tag = await models.Tag.objects.acreate(word="new")
    for number in range(40):
        vehicle = await models.Vehicle.objects.acreate(plate=f"c-{number:02}")
        await vehicle.tags.aadd(tag)

    many = [len(await count(method, **params)) for method, params in asked]

    assert many == few
    assert few == [1, 2, 2]  # The tags are the second.
    cursor = (await guest.ask("resources/list")).result["nextCursor"]
    assert len(await count("resources/list", cursor=cursor)) <= few[0]


async def test_an_older_client_lists_and_reads_as_well(
    server: MCPServer, bob: Any, fleet: Any
) -> None:
    server.expose(models.Vehicle, Unhidden)
    client = await Client(Guest(server, bob).door, "2025-03-26").begin()

    resources = (await client.request("resources/list")).result["resources"]
    hidden = (await client.request("resources/read", {"uri": "depot://vehicles/a-2"})).error

    assert [each["name"] for each in resources[2:]] == ["vehicle a-1", "vehicle b-1"]
    assert hidden["code"] == -32002


async def test_a_listing_is_for_any_server_and_refuses_a_name_twice(server: MCPServer) -> None:
    async def page(ctx: Any, after: str | None, limit: int) -> ListedPage:
        begin = int(after or 0)
        found = [Resource(uri=f"n://{n}", name=str(n)) for n in range(begin, min(begin + limit, 5))]
        return ListedPage(found, str(begin + limit) if begin + limit < 5 else None)

    server.page_size = 2
    server.resource_listings.add("numbers", page)

    assert [each["name"] for each in await listed(Guest(server))] == list("01234")
    with pytest.raises(ValueError, match="'numbers' already"):
        server.resource_listings.add("numbers", page)
    server.resource_listings.remove("numbers")
    assert (await Guest(server).ask("resources/list")).result["resources"] == []


# Completing


async def test_a_number_is_completed_by_its_digits(server: MCPServer, ann: Any) -> None:
    largest = 2**63 - 1
    if connection.vendor == "mysql":
        # It goes on counting from the largest key there ever was, and tests after this one as well.
        largest -= 1_000_000
    for number in (12, 120, 129, 130, 1299, 21, -12, -125, largest):
        await models.Tag.objects.acreate(pk=number, word=str(number))
    server.expose(models.Tag, fields=["word"])
    guest = Guest(server, ann)

    async def of(value: str) -> list[str]:
        found = await completed(guest, "depot://tags/{id}", "id", value)
        assert (found["hasMore"], "total" in found) == (False, False)
        values: list[str] = found["values"]
        return values

    assert await of("12") == ["12", "120", "129", "1299"]
    assert await of("-12") == ["-125", "-12"]
    assert await of("-") == ["-125", "-12"]
    assert await of("9223") == [str(largest)]
    assert len(await of("")) == 11
    for nothing in ("012", "x", "1x", "٣", "99999999999999999999", "\x00", "0", "%"):
        assert await of(nothing) == []


async def test_a_text_is_completed_by_its_beginning_for_those_who_see_it(
    server: MCPServer, boss: Any, bob: Any, fleet: Any
) -> None:
    server.expose(models.Vehicle, Unhidden)
    uri = "depot://vehicles/{plate}"

    assert (await completed(Guest(server, boss), uri, "plate", "a"))["values"] == ["a-1", "a-2"]
    for template in (uri, f"{uri}/paper"):
        found = await completed(Guest(server, bob), template, "plate", "a")
        assert found["values"] == ["a-1"]
    assert (await completed(Guest(server, bob), uri, "plate", "%"))["values"] == []


async def test_a_key_is_found_by_the_name_of_its_object(server: MCPServer, ann: Any) -> None:
    server.expose(models.Thing, fields=["name"], search_fields=["name"])
    guest = Guest(server, ann)

    assert (await completed(guest, "depot://things/{id}", "id", "anc"))["values"] == ["2"]
    assert (await completed(guest, "depot://things/{id}", "id", "mp"))["values"] == []


async def test_a_hundred_are_suggested_and_nothing_is_counted(server: MCPServer, ann: Any) -> None:
    await models.Tag.objects.abulk_create(models.Tag(word=f"w{n:03}") for n in range(150))
    server.expose(models.Tag, fields=["word"], lookup_field="word")
    guest = Guest(server, ann)

    found = await completed(guest, "depot://tags/{word}", "word", "w")
    queries = await captured_in(completed(guest, "depot://tags/{word}", "word", "w"))

    assert found["values"] == [f"w{n:03}" for n in range(100)]
    assert found["hasMore"] is True
    own = [statement for statement in queries if "depot_tag" in statement]
    assert len(own) == 1
    assert "LIMIT 101" in own[0]
    assert "COUNT" not in own[0]


async def test_a_uuid_is_completed_with_and_without_hyphens(server: MCPServer, ann: Any) -> None:
    low, high = completing._of_uuids("0a1B-2")[0]
    assert str(low) == "0a1b2000-0000-0000-0000-000000000000"
    assert str(high) == "0a1b2fff-ffff-ffff-ffff-ffffffffffff"
    assert completing._of_uuids("0g") == []


async def test_who_may_view_nothing_completes_nothing(
    server: MCPServer, eve: Any, fleet: Any
) -> None:
    server.expose(models.Vehicle, Unhidden)
    guest = Guest(server, eve)

    async def of(uri: str) -> Any:
        ref, argument = {"type": "ref/resource", "uri": uri}, {"name": "plate", "value": "a"}
        error = (await guest.ask("completion/complete", ref=ref, argument=argument)).error
        return error["message"].replace(uri, "…")

    assert await of("depot://vehicles/{plate}") == await of("depot://nothing/{plate}")


async def test_what_cannot_be_exposed_leaves_no_resource_behind(server: MCPServer) -> None:
    server.add_resource("depot://tags?schema", "mine")
    with pytest.raises(ValueError, match="registered already"):
        server.expose(models.Tag, fields=["word"])

    assert [resource.key for resource in server.resources] == ["depot://tags?schema"]
    assert (len(server.resource_templates), len(server.completions)) == (0, 0)
    assert (len(server.tools), len(server.resource_listings)) == (0, 0)
