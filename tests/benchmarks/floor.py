"""The floor: a bare Channels consumer that reads a body and answers with a fixed one.

No server that is a consumer gets below it on the same web server.
"""

from __future__ import annotations

from typing import Any

from channels.consumer import AsyncConsumer

from tests.benchmarks.scenarios import SUM

BODY = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"%(sum)d"}],'
    b'"structuredContent":%(sum)d,"resultType":"complete","_meta":{'
    b'"io.modelcontextprotocol/serverInfo":{"name":"floor","version":"1.0"}}}}'
) % {b"sum": SUM}
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


class Floor(AsyncConsumer):
    """Answers in its own `__call__`, without Channels' dispatch."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": BODY})


application = Floor.as_asgi()
