"""Models out of the ordinary: each comes through exactly, or is refused with a remedy."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from django.db import connection
from django.db.models import CharField

from django_mcp import MCPServer
from django_mcp.exposure.models.kinds import kind_of
from django_mcp.server.errors import RegistrationError

from .depot.models import Thing
from .depot.server import Guest
from .oddments import models

EVERYTHING = ["list", "search", "get", "create", "update", "delete", "aggregate"]


@pytest.fixture
def root(db: None) -> Any:
    """Somebody who may do everything."""
    return User.objects.create_superuser("root")


# --------------------------------------------------------------------- fields of a project's own


async def test_values_of_a_class_of_the_projects_own_are_what_the_database_keeps(
    server: MCPServer, root: Any
) -> None:
    server.expose(
        models.Paint,
        fields=["colour", "undercoat", "others"],
        search_fields=["colour"],
        tools=EVERYTHING,
        query=True,
        confirm_delete=False,
    )
    guest = Guest(server, root)
    red = {"colour": "#f00", "undercoat": None, "others": []}
    blue = {
        "colour": "#00f",
        "undercoat": {"id": "#f00", "label": "a paint"},
        "others": [{"id": "#f00", "label": "a paint"}],
    }

    assert await guest.call("create_paint", colour="#f00") == red
    made = await guest.call("create_paint", colour="#00f", undercoat="#f00", others=["#f00"])
    assert made == blue
    red["others"] = [{"id": "#00f", "label": "a paint"}]

    assert await guest.call("get_paint", colour="#f00") == red
    assert (await guest.call("search_paints", search="00F"))["items"] == [blue]
    assert (await guest.call("list_paints", undercoat="#f00"))["items"] == [blue]
    first = await guest.call("list_paints", limit=1, order_by="-colour")
    rest = await guest.call("list_paints", limit=1, order_by="-colour", cursor=first["next_cursor"])
    assert [*first["items"], *rest["items"]] == [red, blue]
    sums = await guest.call("aggregate_paints", measures=["max(colour)"], group_by=["undercoat"])
    # Databases differ in where a null stands.
    assert sorted(sums["rows"], key=lambda row: str(row["max(colour)"])) == [
        {"undercoat": {"id": "#f00", "label": "a paint"}, "max(colour)": "#00f"},
        {"undercoat": None, "max(colour)": "#f00"},
    ]
    found = await guest.call("query_paints", select=["colour"], order_by=["colour"])
    assert found["rows"] == [{"colour": "#00f"}, {"colour": "#f00"}]
    assert await guest.call("update_paint", colour="#00f", others=[]) == {**blue, "others": []}
    assert await guest.call("delete_paint", colour="#00f") == {"deleted": True}

    listed = (await guest.ask("resources/list")).result["resources"]
    assert f"oddments://paints/{quote('#f00')}" in [each["uri"] for each in listed]
    reply = await guest.ask(
        "completion/complete",
        ref={"type": "ref/resource", "uri": "oddments://paints/{colour}"},
        argument={"name": "colour", "value": "#f"},
    )
    assert reply.result["completion"]["values"] == ["#f00"]


async def test_an_object_is_held_whatever_the_order_of_its_model_joins(
    server: MCPServer, root: Any
) -> None:
    # PostgreSQL locks nothing on the nullable side of a join.
    server.expose(models.Paint, fields=["colour", "price"], tools=["create", "update"])
    guest = Guest(server, root)
    await guest.call("create_paint", colour="#f00")

    assert (await guest.call("update_paint", colour="#f00", price="2"))["price"] == "2.0000"


async def test_pages_end_where_a_decimal_is_kept_as_another_number(
    server: MCPServer, root: Any
) -> None:
    server.expose(models.Paint, fields=["colour", "price"], tools=["list", "create"])
    guest = Guest(server, root)
    for colour, price in (("#1", "12345678901234.5678"), ("#2", "0.1"), ("#3", None)):
        await guest.call("create_paint", colour=colour, price=price)

    for order in ("price", "-price"):
        seen, cursor = [], None
        for _ in range(4):
            page = await guest.call("list_paints", order_by=order, limit=1, cursor=cursor)
            seen += [item["colour"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert sorted(seen) == ["#1", "#2", "#3"]


def test_what_has_no_json_is_left_out_of_all_fields_and_refused_by_name(server: MCPServer) -> None:
    server.expose(models.Ticket, fields="__all__", tools=["get"])

    found = server.tools.find("get_ticket")
    assert found is not None
    assert found.definition.output_schema is not None
    assert {"scan", "seal"}.isdisjoint(found.definition.output_schema["properties"])
    for name, kind in (("scan", "BinaryField"), ("seal", "SealField")):
        with pytest.raises(RegistrationError, match=f"{name!r} is a {kind}, which has no JSON"):
            MCPServer("other").expose(models.Ticket, fields=[name])
    with pytest.raises(RegistrationError, match="'about' may lead to any model"):
        server.expose(models.Remark, fields=["about"])


def test_a_path_of_the_server_is_shown_and_not_written(server: MCPServer) -> None:
    server.expose(models.Ticket, fields=["day", "price", "poster"], tools=["get", "create"])

    found = server.tools.find("create_ticket")
    assert found is not None
    assert set(found.definition.input_schema["properties"]) == {"day", "price"}
    with pytest.raises(RegistrationError, match="'poster' cannot be written: it is a path"):
        MCPServer("other").expose(
            models.Ticket, fields=["day", "poster"], write_fields=["poster"], tools=["update"]
        )


# ------------------------------------------------------------------------------- choices and names


async def test_choices_may_be_of_any_type(server: MCPServer, root: Any) -> None:
    server.expose(
        models.Ticket,
        fields=["day", "price", "seats"],
        tools=["list", "create", "aggregate"],
        query=True,
    )
    guest = Guest(server, root)

    schema = (await guest.tools())["create_ticket"]["inputSchema"]["properties"]
    assert schema["day"]["oneOf"] == [
        {"const": "2026-01-01", "title": "New Year"},
        {"const": "2026-05-01", "title": "May Day"},
    ]
    ticket = await guest.call("create_ticket", day="2026-01-01", price="1.50", seats=2)
    assert ticket == {"id": ticket["id"], "day": "2026-01-01", "price": "1.50", "seats": 2}
    assert (await guest.call("list_tickets", day="2026-01-01"))["items"] == [ticket]
    assert (await guest.call("list_tickets", day="2026-05-01"))["items"] == []
    said = await guest.fail("create_ticket", day="2026-02-02", price="1.50", seats=3)
    assert "seats" in said
    said = await guest.fail("create_ticket", day="2026-02-02", price="1.50")
    assert "day: Value datetime.date(2026, 2, 2) is not a valid choice." in said
    sums = await guest.call(
        "aggregate_tickets", measures=["count(*)"], group_by=["day", "price", "seats"]
    )
    assert sums["rows"] == [{"day": "2026-01-01", "price": "1.50", "seats": 2, "count(*)": 1}]
    where = {"field": "price", "lookup": "in", "value": ["1.50"]}
    found = await guest.call("query_tickets", select=["day"], where=where)
    assert found["rows"] == [{"day": "2026-01-01"}]


def test_choices_that_a_function_makes_are_not_written_down() -> None:
    def choices() -> Any:
        pytest.fail("a function of the project's is called before there is a call")

    kind = kind_of(CharField(max_length=5, choices=choices))

    assert kind is not None
    assert (kind.taken, "icontains" in kind.lookups) == (str, True)


async def test_a_field_may_be_called_like_anything(server: MCPServer, root: Any) -> None:
    server.expose(models.Ticket, fields=["day", "price", "self", "function"], tools=["create"])

    ticket = await Guest(server, root).call(
        "create_ticket", day="2026-01-01", price="1.50", self=7, function="entry"
    )

    assert (ticket["self"], ticket["function"]) == (7, "entry")


async def test_names_may_be_of_any_script(
    server: MCPServer, root: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.Maß._meta.get_field("фото"), "storage", InMemoryStorage())
    with pytest.raises(RegistrationError, match="name is 'maß', and names of tools have no other"):
        server.expose(models.Maß, fields="__all__")
    server.expose(
        models.Maß,
        name="measure",
        plural="measures",
        fields="__all__",
        lookup_field="größe",
        tools=EVERYTHING,
        query=True,
    )
    guest = Guest(server, root)

    made = await guest.call("create_measure", größe="elle", 名前="尺")
    assert made == {"größe": "elle", "id": made["id"], "名前": "尺", "фото": None}
    assert await guest.call("get_measure", größe="elle") == made
    sums = await guest.call("aggregate_measures", measures=["max(größe)"], group_by=["名前"])
    assert sums["rows"] == [{"名前": "尺", "max(größe)": "elle"}]
    where = {"field": "名前", "lookup": "startswith", "value": "尺"}
    found = await guest.call("query_measures", select=["größe"], where=where)
    assert found["rows"] == [{"größe": "elle"}]

    def take_photo() -> None:
        models.Maß.objects.get().фото.save("elle.txt", ContentFile(b"one ell"))

    await sync_to_async(take_photo)()
    templates = (await guest.ask("resources/templates/list")).result["resourceTemplates"]
    assert "oddments://measures/{key}" in [each["uriTemplate"] for each in templates]
    for uri in ("oddments://measures/elle", f"oddments://measures/elle/{quote('фото')}"):
        assert (await guest.ask("resources/read", uri=uri)).result["contents"]


# ---------------------------------------------------------------------------------------- relations


async def test_generic_relations_are_shown_as_others_are(server: MCPServer, root: Any) -> None:
    server.expose(models.Ticket, fields=["remarks"], tools=["list"])

    def remark() -> None:
        for number in (1, 2):
            ticket = models.Ticket.objects.create(day="2026-01-01")
            for text in ("fine", "good")[:number]:
                models.Remark.objects.create(about=ticket, text=text)
        other = Thing.objects.create(name="Other")
        models.Remark.objects.create(about=other, text="elsewhere")

    await sync_to_async(remark)()
    found = await Guest(server, root).call("list_tickets")

    texts = [[each["label"] for each in item["remarks"]] for item in found["items"]]
    assert sorted(texts) == [["fine"], ["fine", "good"]]


async def test_an_object_that_is_led_to_twice_is_shown_once(server: MCPServer, root: Any) -> None:
    server.expose(models.Ticket, fields=["visitors"], tools=["list"])

    def visit() -> int:
        ticket = models.Ticket.objects.create(day="2026-01-01")
        eve = models.Visitor.objects.create(name="Eve")
        for _ in range(2):
            models.Visit.objects.create(ticket=ticket, visitor=eve)
        return int(eve.pk)

    eve = await sync_to_async(visit)()
    found = await Guest(server, root).call("list_tickets")

    assert found["items"][0]["visitors"] == [{"id": eve, "label": "Eve"}]


def test_a_relation_goes_by_its_name_in_queries(server: MCPServer) -> None:
    with pytest.raises(RegistrationError, match="that relation is called 'visit'"):
        server.expose(models.Ticket, fields=["visit_set"])


# ------------------------------------------------------------------------- keys of several values


async def test_a_key_of_several_values_gives_way_to_a_field_that_is_unique(
    server: MCPServer, root: Any
) -> None:
    with pytest.raises(RegistrationError, match=r"made of 'row' and 'number'.*set lookup_field"):
        server.expose(models.Seat, fields="__all__")
    server.expose(
        models.Seat,
        lookup_field="word",
        fields="__all__",
        tools=["list", "get", "create", "update", "delete", "aggregate"],
        confirm_delete=False,
    )
    guest = Guest(server, root)

    seat = await guest.call("create_seat", row=1, number=2, word="aisle")
    assert seat == {"word": "aisle", "row": 1, "number": 2, "visitor": None}
    said = await guest.fail("create_seat", row=1, number=2, word="window")
    assert "Seat with this Row and Number already exists." in said
    await guest.call("create_seat", row=1, number=3, word="box")
    first = await guest.call("list_seats", limit=1, order_by="row")
    rest = await guest.call("list_seats", limit=1, order_by="row", cursor=first["next_cursor"])
    assert [*first["items"], *rest["items"]] == [seat, {**seat, "word": "box", "number": 3}]
    eve = await models.Visitor.objects.acreate(name="Eve")
    taken = await guest.call("update_seat", word="aisle", visitor=eve.pk)
    assert taken["visitor"] == {"id": eve.pk, "label": "Eve"}
    sums = await guest.call("aggregate_seats", measures=["count(*)"], group_by=["row"])
    assert sums["rows"] == [{"row": 1, "count(*)": 2}]
    assert await guest.call("delete_seat", word="box") == {"deleted": True}


def test_nothing_leads_to_objects_whose_key_has_several_values(server: MCPServer) -> None:
    with pytest.raises(RegistrationError, match=r"'seat' leads to oddments\.Seat, whose objects"):
        server.expose(models.Visitor, fields=["name", "seat"])


# ---------------------------------------------------------------------------- rows nobody is shown


async def test_what_the_default_manager_hides_is_not_there(server: MCPServer, root: Any) -> None:
    server.expose(
        models.Guest, fields="__all__", tools=["list", "get", "create", "update", "aggregate"]
    )
    gone = await models.Guest.everybody.acreate(name="Ghost", gone=True)
    guest = Guest(server, root)
    ada = await guest.call("create_guest", name="Ada")

    assert (await guest.call("list_guests"))["items"] == [ada]
    assert await guest.fail("get_guest", id=gone.pk) == f"There is no guest {gone.pk}."
    assert (await guest.call("aggregate_guests", measures=["count(*)"]))["rows"] == [
        {"count(*)": 1}
    ]
    assert "would no longer be visible" in await guest.fail("update_guest", id=ada["id"], gone=True)
    assert "Nothing was written" in await guest.fail("create_guest", name="Ghost")


# ------------------------------------------------------------------------------ PostgreSQL's lists


def test_ranges_are_refused(server: MCPServer) -> None:
    with pytest.raises(RegistrationError, match="'days' is a DateRangeField, which has no JSON"):
        server.expose(models.Rack, fields=["days"])


@pytest.mark.django_db
async def test_lists_come_through_exactly(server: MCPServer, root: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has lists")

    def build() -> None:
        with connection.schema_editor() as editor:
            editor.create_model(models.Rack)

    await sync_to_async(build)()
    server.expose(
        models.Rack,
        fields=["words", "grid", "prices", "moments"],
        tools=["list", "create", "update"],
        query=True,
    )
    guest = Guest(server, root)
    given = {
        "words": ["a", "b", "ü"],
        "grid": [[1, 2], [3, 4]],
        "prices": ["1.5000000001", "12345678901234567890.1234567891"],
        "moments": ["2025-12-31T22:00:00Z"],
    }

    made = await guest.call("create_rack", **given)
    assert made == {"id": made["id"], **given}
    emptied = await guest.call("update_rack", id=made["id"], words=[], prices=[], grid=None)
    assert (emptied["words"], emptied["prices"], emptied["grid"]) == ([], [], None)
    assert (await guest.call("list_racks"))["items"] == [emptied]
    assert (await guest.call("query_racks", select=["words"]))["rows"] == [{"words": []}]
    for wrong in (
        {"words": ["toolong"]},
        {"words": None},
        {"words": ["a\0"]},
        {"grid": [[1], [2, 3]]},
        {"grid": [[1, 2, 3]]},
        {"grid": [[1, 2**40]]},
    ):
        assert "are not valid" in await guest.fail("create_rack", **wrong)
