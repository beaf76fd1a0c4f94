"""The suite's scenarios for authorization servers, against the example project on daphne.

They begin with the issuer's metadata, and go through one authorization by a client that is
registered before: here each of them naming the resource, and leaving that out. The client has no
secret: where the metadata offers "none", the suite does not send one. The user who logs in and
consents is `tests.browser`.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests import library
from tests.browser import Browser
from tests.processes.workers import workers
from tests.services import HOST, free_port

from .suite import Scenario, Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the example project is served, and the user who says yes to everything."""

    origin: str
    browser: Browser

    @property
    def issuer(self) -> str:
        return f"{self.origin}/oauth"

    @property
    def resource(self) -> str:
        return f"{self.origin}/mcp"


@contextmanager
def serving(results: Path) -> Iterator[Site]:
    """The example project, served by a process that ends with the block; its log is in `results`.

    Raises DidNotStart, and Complained where the process wrote what it has no reason to.
    """
    database = results / "example.sqlite3"
    library.prepare(database)
    environment = library.environment(database)
    with workers(1, "daphne", "config.asgi:application", results, environment) as started:
        yield Site(origin=f"http://{HOST}:{started[0].port}", browser=Browser())
        started[0].check()


def run(suite: Suite, site: Site, spec: str, names: list[str], results: Path) -> Iterator[Scenario]:
    """What became of the scenarios `names`, with and without a resource.

    All of them run each time: the second begins with what the first has read.
    """
    for how, resource in {"resource": site.resource, "no resource": None}.items():
        port = free_port()
        where = results / how.replace(" ", "-")
        where.mkdir()
        found = suite.run_authorization(
            site.issuer,
            spec,
            names,
            where,
            client_id=register(site, f"http://{HOST}:{port}/callback"),
            port=port,
            resource=resource,
            open_link=site.browser.go,
        )
        yield from (replace(each, name=f"{each.name} ({how})") for each in found)


def register(site: Site, redirect_uri: str) -> str:
    """The id of a new client of the site."""
    said = {
        "client_name": "Conformance",
        "redirect_uris": [redirect_uri],
        "token_endpoint_auth_method": "none",
    }
    request = urllib.request.Request(
        f"{site.issuer}/register",
        json.dumps(said).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        client_id: str = json.load(response)["client_id"]
    return client_id
