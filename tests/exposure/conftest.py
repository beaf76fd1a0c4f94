"""What tests of exposed models have in common: a filled depot and people who may see some of it."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connections

from django_mcp import MCPServer

from .depot import server as depot


@pytest.fixture
def stock(db: Any) -> None:
    """Three things, their makers, countries and tags."""
    depot.fill()


@pytest.fixture
def server() -> MCPServer:
    """A server that exposes nothing yet."""
    return MCPServer("depot")


@pytest.fixture
def ann(stock: None) -> Any:
    """A user who may view everything in the depot."""
    views = [f"view_{name}" for name in ("thing", "maker", "country", "tag", "paper", "passport")]
    return depot.user_with(*views)


#: Another database with a depot in it: the one of the other tests is always in a transaction.
ELSEWHERE = "elsewhere"


#: A run that is given a database has another one there.
DATABASES = ["given"] if "MCP_TEST_DATABASE" in os.environ else ["sqlite", "postgresql"]


@pytest.fixture(scope="session", params=DATABASES)
def depot_database(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: Any,
) -> dict[str, Any]:
    """What there is to know of a database that has the tables of the depot."""
    entry: dict[str, Any] = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": tmp_path_factory.mktemp("depot") / "depot.sqlite3",
    }
    if request.param == "given":
        entry = _another_like(json.loads(os.environ["MCP_TEST_DATABASE"]), django_db_blocker)
    elif request.param == "postgresql":
        entry = request.getfixturevalue("postgres").new_database()
    entry = {**copy.deepcopy(connections.settings["default"]), **entry}
    with _known(entry), django_db_blocker.unblock():
        call_command("migrate", database=ELSEWHERE, run_syncdb=True, verbosity=0)
    return entry


def _another_like(entry: dict[str, Any], django_db_blocker: Any) -> dict[str, Any]:
    """A new database on the same server: tests may run in several processes."""
    name = f"{entry['NAME']}_{os.getpid()}"
    with _known({**copy.deepcopy(connections.settings["default"]), **entry}):
        connection = connections[ELSEWHERE]
        characters = " CHARACTER SET utf8mb4" if connection.vendor == "mysql" else ""
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}{characters}")
    return {**entry, "NAME": name}


@pytest.fixture
def elsewhere(db: Any, depot_database: dict[str, Any], django_db_blocker: Any) -> Iterator[str]:
    """The alias of SQLite on disk, and of PostgreSQL, each with a filled depot."""
    with _known(depot_database), django_db_blocker.unblock():
        depot.fill(ELSEWHERE)
        yield ELSEWHERE
        connection = connections[ELSEWHERE]
        tables = [model._meta.db_table for model in apps.get_app_config("depot").get_models(True)]
        flush = connection.ops.sql_flush(
            no_style(), tables, reset_sequences=True, allow_cascade=True
        )
        connection.ops.execute_sql_flush(flush)


@contextmanager
def _known(entry: dict[str, Any]) -> Iterator[None]:
    connections.settings[ELSEWHERE] = entry
    try:
        yield
    finally:
        connections[ELSEWHERE].close()
        del connections[ELSEWHERE]
        del connections.settings[ELSEWHERE]
