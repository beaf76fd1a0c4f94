"""Two processes of one site whose token has run out: one of them renews it, and both go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.interop.servers import REPOSITORY

#: Seconds for which a refresh is held back, so that another one would come meanwhile.
HELD = 1.0


class Elsewhere(ThreadingHTTPServer):
    """A server and its authorization server, whose refresh tokens are good for one use."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.good = "AT-1"
        self.refreshes: list[str] = []
        self.both_were_refused = threading.Barrier(2)
        self.another_refresh = threading.Event()

    def refreshed(self, token: str) -> tuple[int, Any]:
        self.refreshes.append(token)
        if len(self.refreshes) > 1:
            self.another_refresh.set()
            return 400, {"error": "invalid_grant"}
        self.another_refresh.wait(HELD)
        return 200, {"access_token": "AT-1", "refresh_token": "RT-1", "token_type": "Bearer"}


class _Handler(BaseHTTPRequestHandler):
    server: Elsewhere

    def do_GET(self) -> None:
        origin = self.server.origin
        match self.path:
            case "/.well-known/oauth-protected-resource/mcp":
                self._answer(200, {"resource": f"{origin}/mcp", "authorization_servers": [origin]})
            case "/.well-known/oauth-authorization-server":
                self._answer(200, {"issuer": origin, "token_endpoint": f"{origin}/token"})
            case _:
                self._answer(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        if self.path == "/token":
            [token] = parse_qs(body)["refresh_token"]
            self._answer(*self.server.refreshed(token))
        elif self.headers.get("authorization") == f"Bearer {self.server.good}":
            self._answer(200, {})
        else:
            self.server.both_were_refused.wait(60)
            self._answer(401, {})

    def _answer(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def process(database: Path, origin: str, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.remote.renewing", str(database), origin, what],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_two_processes_one_renews_and_both_go_on(tmp_path: Path) -> None:
    database = tmp_path / "site.sqlite3"
    with elsewhere() as server:
        prepared = process(database, server.origin, "prepare")
        assert prepared.communicate(timeout=120)[1] == ""
        both = [process(database, server.origin, "request") for _ in range(2)]
        said = [each.communicate(timeout=120) for each in both]

    assert said == [("200\n", ""), ("200\n", "")]
    assert server.refreshes == ["RT-0"]
