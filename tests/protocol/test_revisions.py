"""The five revisions: their order, their names, what `initialize` agrees on, their facts."""

from __future__ import annotations

import copy
import pickle

import pytest

from django_mcp.protocol.revisions import (
    LATEST,
    LATEST_STATEFUL,
    REVISIONS,
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
    Era,
    Revision,
    find,
    names,
    negotiate,
)


def test_revisions_stand_in_the_order_of_their_dates() -> None:
    assert list(REVISIONS) == sorted(set(REVISIONS))
    assert V2024_11_05 < V2025_03_26 <= V2025_06_18
    assert V2026_07_28 > V2025_11_25 >= V2025_11_25
    assert REVISIONS[-1] is LATEST


def test_a_revision_is_not_comparable_with_its_name() -> None:
    with pytest.raises(TypeError):
        LATEST < "2027-01-01"  # type: ignore[operator]  # noqa: B015


def test_a_revision_writes_itself_as_its_name() -> None:
    assert str(V2025_06_18) == "2025-06-18"
    assert f"{V2025_06_18}" == "2025-06-18"


@pytest.mark.parametrize("revision", REVISIONS, ids=str)
def test_copies_of_a_revision_are_the_revision_itself(revision: Revision) -> None:
    assert copy.deepcopy(revision) is revision
    assert pickle.loads(pickle.dumps(revision)) is revision


@pytest.mark.parametrize("revision", REVISIONS, ids=str)
def test_a_revision_is_found_by_its_name(revision: Revision) -> None:
    assert find(revision.name) is revision


@pytest.mark.parametrize("name", ["", "2024-11-06", "latest", None, 20241105, ["2024-11-05"], {}])
def test_nothing_else_is_found(name: object) -> None:
    assert find(name) is None


@pytest.mark.parametrize("revision", REVISIONS[:-1], ids=str)
def test_initialize_gets_the_stateful_revision_it_asks_for(revision: Revision) -> None:
    assert negotiate(revision.name) is revision


@pytest.mark.parametrize("requested", ["2026-07-28", "1999-01-01", "2099-01-01", ""])
def test_initialize_gets_the_newest_stateful_revision_otherwise(requested: str) -> None:
    assert negotiate(requested) is LATEST_STATEFUL is V2025_11_25


def test_names_are_listed_newest_first() -> None:
    assert names() == ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
    assert names(Era.STATELESS) == ["2026-07-28"]
    assert names(Era.STATEFUL) == names()[1:]


FACTS = [
    ("batches", {V2025_03_26}),
    ("resumable", {V2025_03_26, V2025_06_18, V2025_11_25}),
    ("priming_event", {V2025_11_25}),
    ("version_header", {V2025_06_18, V2025_11_25, V2026_07_28}),
    ("url_elicitation_error", {V2025_11_25}),
    ("any_json_structured_content", {V2026_07_28}),
    ("result_type", {V2026_07_28}),
]


@pytest.mark.parametrize(("fact", "revisions"), FACTS, ids=[fact for fact, _ in FACTS])
def test_a_fact_holds_in_exactly_these_revisions(fact: str, revisions: set[Revision]) -> None:
    assert {revision for revision in REVISIONS if getattr(revision, fact)} == revisions


def test_a_missing_resource_became_invalid_params_in_2026_07_28() -> None:
    codes = [revision.resource_not_found for revision in REVISIONS]
    assert codes == [-32002, -32002, -32002, -32002, -32602]
