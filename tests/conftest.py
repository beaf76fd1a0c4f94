"""How tests are run: asynchronous ones as Django runs its own.

An ``async def`` test needs no marker. It runs under ``async_to_sync``, so whatever it calls with
``sync_to_async``, the ORM included, runs on the main thread and shares the test's transaction, as
in ``django.test.TestCase``. A test marked ``anyio`` keeps AnyIO's own runner, on asyncio, together
with AnyIO's asynchronous fixtures.
"""

from __future__ import annotations

import contextvars
import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, NoReturn

import pytest
from asgiref.sync import async_to_sync
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import translation
from hypothesis import HealthCheck, settings

from django_mcp.default import default_server
from tests import library, services

pytest_plugins = ["django_mcp.pytest_plugin"]

# How long an example takes says something of the machine, not of the code.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """A folder for what is made once in a run. The processes of xdist inherit it."""
    if library.SHARED not in os.environ:
        os.environ[library.SHARED] = shared = tempfile.mkdtemp(prefix="django-mcp-tests-")
        config.add_cleanup(lambda: shutil.rmtree(shared))
        config.add_cleanup(lambda: os.environ.pop(library.SHARED))


def pytest_collection_finish() -> None:
    """What is there by now stays, and the rest is many small things that soon go by themselves:
    with the usual thresholds, a third of a run was spent on looking through all of them.

    The default server is made from the settings of all tests, not of whichever asks for it first.
    """
    default_server()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """AnyIO's plugin runs a marked test once, on the event loop Django has."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _begins_in_english() -> Iterator[None]:
    """What Django's middleware for languages activates, stays active in its thread."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _requests_close_no_connections() -> Iterator[None]:
    """What Django's test client does: the connection of a test is not the request's to close.

    Nor may a request look at one that an earlier test left in its thread: that of a database in
    memory is never closed, and pytest-django refuses a test without a database to touch it.
    """
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def heeds_the_browser(settings: Any) -> None:
    """A project whose pages are in the language that a browser asks for."""
    after = settings.MIDDLEWARE.index("django.contrib.sessions.middleware.SessionMiddleware") + 1
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[:after],
        "django.middleware.locale.LocaleMiddleware",
        *settings.MIDDLEWARE[after:],
    ]


@pytest.fixture(scope="session")
def postgres() -> Iterator[services.Postgres]:
    """A PostgreSQL that the tests share; skips where there is none."""
    try:
        with services.postgres() as running:
            yield running
    except services.Missing as reason:
        _do_without(reason)


@pytest.fixture(scope="session")
def redis() -> Iterator[services.Redis]:
    """A Redis that the tests share; skips where there is none."""
    try:
        with services.redis() as running:
            yield running
    except services.Missing as reason:
        _do_without(reason)


def _do_without(service: services.Missing) -> NoReturn:
    """Skip the test, or fail it where MCP_REQUIRE_SERVICES says that nothing may be missing."""
    if os.environ.get("MCP_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{service}, and MCP_REQUIRE_SERVICES=1 asks for it.")
    pytest.skip(str(service))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Run each test in a context of its own, which goes with it.

    Each URLconf that was ever asked leaves some variables in the context, and asgiref hands all of
    them over from thread to thread: after some thousand tests, that is nearly all of what a request
    takes. Fixtures have the context of the run, for some of them outlive a test.
    """
    item.runtest = partial(contextvars.copy_context().run, item.runtest)  # type: ignore[method-assign]


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function to its end; leave every other test to the next plugin."""
    if pyfuncitem.get_closest_marker("anyio") or not iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    async_to_sync(pyfuncitem.obj)(**arguments)
    return True
