"""Start the example project as README says, talk to it once, and end it.

Standard library only. It proves the command and not the protocol, so any answer to a request of MCP
will do, one that asks to log in included.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "example_project"
ANSWERS = {200, 401}
PATIENCE = 60

REVISION = "2026-07-28"
DISCOVER = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "server/discover",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": REVISION,
    "Mcp-Method": "server/discover",
}


def main() -> None:
    """Exit with what went wrong, or with nothing."""
    script = [sys.executable, str(PROJECT / "run.py")]
    subprocess.run([*script, "--prepare-only"], check=True)
    port = free_port()
    server = subprocess.Popen([*script, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        status, body = first_answer(server, f"http://127.0.0.1:{port}/mcp")
    finally:
        server.terminate()
        server.wait(timeout=PATIENCE)
    if status not in ANSWERS:
        sys.exit(f"the example's MCP endpoint answered with HTTP {status}: {body[:1000]!r}")
    print(f"the example's MCP endpoint answered with HTTP {status}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_answer(server: subprocess.Popen[bytes], url: str) -> tuple[int, bytes]:
    """The HTTP status and the body of the first answer, once the server listens."""
    request = urllib.request.Request(url, data=json.dumps(DISCOVER).encode(), headers=HEADERS)
    # Straight to this machine, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"the example's server ended by itself, with status {server.returncode}")
        try:
            with opener.open(request, timeout=PATIENCE) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    sys.exit(f"the example's server did not listen within {PATIENCE} seconds")


if __name__ == "__main__":
    main()
