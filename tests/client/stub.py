"""A server over stdio that misbehaves as it is told: `python stub.py [mode]`.

It needs nothing but the standard library, so that it is there at once. Modes: "old" ends when
something comes before initialize, "mute" never answers what comes before it, "broken" ends at once,
"late" is slow to answer the first request of all, and "stubborn" does not end when it is asked to.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

MODE = sys.argv[1] if len(sys.argv) > 1 else ""
STATELESS = "2026-07-28"


def say(message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def opened(request: Any) -> Any:
    """What is answered before there is a conversation; None for nothing."""
    method = request["method"]
    if MODE in ("", "stubborn", "late") and method == "server/discover":
        return {
            "resultType": "complete",
            "supportedVersions": [STATELESS],
            "capabilities": {"tools": {}},
            "ttlMs": 0,
            "cacheScope": "public",
        }
    if MODE == "late" and method == "initialize":
        data = {"supported": [STATELESS], "requested": "2025-11-25"}
        error = {"code": -32022, "message": "Unsupported protocol version", "data": data}
        say({"id": request["id"], "error": error})
        return None
    if method == "initialize":
        return {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "stub", "version": "1"},
        }
    if MODE == "old":
        complain("Something came before initialize.")
        sys.exit(3)
    return None


def call(id: Any, name: str, arguments: Any) -> None:
    text = name
    if name == "echo":
        text = arguments["text"]
    elif name == "large":
        text = "x" * arguments["size"]
    elif name == "pid":
        text = str(os.getpid())
    elif name == "environment":
        text = json.dumps(dict(os.environ))
    elif name == "directory":
        text = os.getcwd()
    elif name == "die":
        complain("Out of memory, say.")
        os._exit(7)
    elif name == "fall":
        os.kill(os.getpid(), signal.SIGKILL)
    elif name == "hang":
        return
    elif name == "sleep":
        say({"method": "notifications/x", "params": {}})
        time.sleep(3600)
    elif name == "close":
        os.close(1)
        time.sleep(3600)
    elif name == "spawn":
        # A grandchild that holds both streams, and does not care.
        code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        code += "print('\\n', flush=True); time.sleep(3600)"
        text = str(subprocess.Popen([sys.executable, "-I", "-S", "-c", code]).pid)
    elif name == "spawn_and_die":
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
        complain(f"child {child.pid}")
        os._exit(1)
    elif name == "garbage":
        os.write(1, b"printed by a library\n\n\xff\xfe\n[1]\n{}\n")
    elif name == "log":
        params = {"level": "loud", "data": "\x1b[2J"}
        say({"method": "notifications/message", "params": params})
    elif name == "endless":
        while True:
            os.write(1, b"x" * 65536)
    elif name == "complain":
        for n in range(arguments["lines"]):
            complain(f"line {n} " + "x" * 200)
    elif name == "unended":
        body = {"jsonrpc": "2.0", "id": id, "result": {"content": [], "resultType": "complete"}}
        os.write(1, json.dumps(body).encode())
        os._exit(0)
    say(
        {
            "id": id,
            "result": {"content": [{"type": "text", "text": text}], "resultType": "complete"},
        }
    )


def main() -> None:
    if MODE == "broken":
        complain("There is no such module.")
        sys.exit(2)
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    is_first = True
    for line in sys.stdin:
        message = json.loads(line)
        if MODE == "late" and is_first:
            time.sleep(0.3)
        is_first = False
        if message.get("method") == "tools/call":
            params = message["params"]
            call(message["id"], params["name"], params["arguments"])
        elif "id" in message:
            result = opened(message)
            if result is not None:
                say({"id": message["id"], "result": result})
    if MODE == "stubborn":
        time.sleep(3600)


main()
