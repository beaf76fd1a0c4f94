"""manage.py mcp_doctor on several processes: it takes part in what they share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.services import Postgres

from . import shared
from .conftest import SETTINGS, Pair, Start
from .proxy import proxy
from .workers import REPOSITORY


def examined(port: int, environment: Mapping[str, str]) -> dict[str, list[str]]:
    """What the command finds, by its level."""
    url = f"http://127.0.0.1:{port}/mcp"
    command = ["mcp_doctor", url, "--json", "--timeout", "10", "--settings", SETTINGS]
    finished = subprocess.run(
        [sys.executable, "-m", "django", *command],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.stdout, finished.stderr
    found: dict[str, list[str]] = {"ok": [], "note": [], "wrong": []}
    answer: Any = json.loads(finished.stdout)
    for finding in answer["findings"]:
        found[finding["level"]].append(f"{finding['check']}: {finding['text']}")
    assert finished.returncode == (1 if found["wrong"] else 0), finished.stderr
    return found


def test_processes_that_share_everything_are_well(pair: Pair) -> None:
    with proxy([pair.a.port, pair.b.port]) as port:
        found = examined(port, pair.environment)
    assert found["wrong"] == []
    assert "channel layer: The channel layer 'default' carries messages." in found["ok"]
    assert "processes: Each of 8 connections found the session." in found["ok"]
    assert "processes: A change told by this process reached 4 streams at once." in found["ok"]


def test_processes_that_do_not_hear_of_each_other_are_found(
    start: Start, server: str, together: dict[str, str], postgres: Postgres
) -> None:
    alone = json.loads(together[shared.VARIABLE]) | {"CHANNEL_LAYERS": {}}
    pair = start(server, {shared.VARIABLE: json.dumps(alone)})
    with proxy([pair.a.port, pair.b.port]) as port:
        found = examined(port, together)
    assert found["wrong"] == ["processes: A change told by this process reached 0 of 4 streams."]


def test_processes_that_keep_sessions_apart_are_found(
    start: Start, server: str, together: dict[str, str]
) -> None:
    alone = json.loads(together[shared.VARIABLE]) | {"SESSIONS": "memory"}
    pair = start(server, {shared.VARIABLE: json.dumps(alone)})
    with proxy([pair.a.port, pair.b.port]) as port:
        found = examined(port, together)
    assert len(found["wrong"]) == 1
    assert "just opened is not known to the next request" in found["wrong"][0]
