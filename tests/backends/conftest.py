"""Databases and caches to keep sessions in, each with the settings and threads of a process."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.cache import caches
from django.db import connections

from django_mcp.backends import orm
from django_mcp.backends.cache import CacheEvents, CacheSessions, Shelf
from django_mcp.backends.carrier import _carriers
from django_mcp.backends.threads import DjangoWorkers
from django_mcp.server.events import InMemoryEvents
from django_mcp.server.sessions import InMemorySessions, Limits

#: The database the router sends sessions to. The one in memory is only the main thread's.
ALIAS = "sessions"
#: Seconds for which events are kept here.
EVENT_LIFETIME = 600.0

Stores = tuple[Any, Any]
Build = Callable[..., Stores]


class Router:
    """Has the rows of django_mcp in a database of their own."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        # What is read where nothing is written, as on a replica that lags.
        return "default" if model._meta.app_label == "django_mcp" else None

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return ALIAS if model._meta.app_label == "django_mcp" else None


class Clock:
    """The time, which can be set forward."""

    def __init__(self) -> None:
        self._time = time.time
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._time() + self._ahead

    def forward(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    return clock


@contextmanager
def tables(entry: dict[str, Any], settings: Any, blocker: Any) -> Iterator[None]:
    """Have the tables of django_mcp in the database that `entry` describes."""
    options = {**copy.deepcopy(connections.settings["default"]), **entry}
    connections.settings[ALIAS] = options
    settings.DATABASE_ROUTERS = [Router()]
    made = list(apps.get_app_config("django_mcp").get_models())
    try:
        with blocker.unblock():
            with connections[ALIAS].schema_editor() as editor:
                for model in made:
                    editor.create_model(model)
            _close()
            yield
            with connections[ALIAS].schema_editor() as editor:
                for model in reversed(made):
                    editor.delete_model(model)
            _close()
    finally:
        del connections.settings[ALIAS]


def _close() -> None:
    connections[ALIAS].close()
    del connections[ALIAS]


def on_disk(directory: Path) -> dict[str, Any]:
    """A database of SQLite in a file."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": directory / "sessions.sqlite3"}


@pytest.fixture(params=["sqlite", "postgres"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, settings: Any, django_db_blocker: Any
) -> Iterator[str]:
    """Each database sessions can be kept in, with tables and nothing in them."""
    if request.param == "postgres":
        entry = request.getfixturevalue("postgres").new_database()
    else:
        entry = on_disk(tmp_path)
    with tables(entry, settings, django_db_blocker):
        yield request.param


@pytest.fixture
def process(database: str) -> Iterator[Build]:
    """Builds the stores of one more process that shares the database."""
    with processes(in_database) as build:
        yield build


@contextmanager
def processes(make: Callable[[Limits, DjangoWorkers], Stores]) -> Iterator[Build]:
    """Build stores with threads of their own, which end here."""
    started: list[DjangoWorkers] = []

    def build(limits: Limits | None = None) -> Stores:
        workers = DjangoWorkers(4, atomic=False)
        started.append(workers)
        return make(limits or Limits(), workers)

    try:
        yield build
    finally:
        for workers in started:
            workers.close()


def in_database(limits: Limits, workers: DjangoWorkers) -> Stores:
    return orm.build(limits, EVENT_LIFETIME, workers)


def in_cache(limits: Limits, workers: DjangoWorkers) -> Stores:
    shelf = Shelf("default", workers)
    return CacheSessions(shelf, limits), CacheEvents(shelf, EVENT_LIFETIME, limits.absolute)


def in_memory(limits: Limits | None = None) -> Stores:
    return InMemorySessions(limits or Limits()), InMemoryEvents(EVENT_LIFETIME)


@pytest.fixture(params=["memory", "sqlite", "postgres", "cache", "redis"])
def build(
    request: pytest.FixtureRequest, tmp_path: Path, settings: Any, django_db_blocker: Any
) -> Iterator[Build]:
    """Builds a pair of stores of each kind; what two pairs of the database keep, they share."""
    kind = request.param
    if kind == "memory":
        yield in_memory
    elif kind in ("cache", "redis"):
        with cached(request, settings), processes(in_cache) as builder:
            yield builder
    else:
        entry = on_disk(tmp_path)
        if kind == "postgres":
            entry = request.getfixturevalue("postgres").new_database()
        with tables(entry, settings, django_db_blocker), processes(in_database) as builder:
            yield builder


@contextmanager
def cached(request: pytest.FixtureRequest, settings: Any) -> Iterator[None]:
    """Have an empty cache of the kind that is asked for."""
    entry: dict[str, Any] = {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "sessions",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
    pools: list[Any] = []
    if request.param == "redis":
        url = request.getfixturevalue("redis").url
        redis = pytest.importorskip("redis")

        def pool(*args: Any, **kwargs: Any) -> Any:
            pools.append(redis.ConnectionPool.from_url(*args, **kwargs))
            return pools[-1]

        entry = {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": url,
            "OPTIONS": {"pool_class": SimpleNamespace(from_url=pool)},
        }
    settings.CACHES = {"default": entry}
    caches["default"].clear()
    try:
        yield
    finally:
        caches["default"].clear()
        # Django leaves the connections of each thread to the garbage collector.
        for each in pools:
            each.disconnect()


@pytest.fixture(autouse=True)
def no_carriers_of_others() -> None:
    """What tests of other modules said is carried, and nothing of their threads remains."""
    for carrier in list(_carriers()):
        carrier.close()
