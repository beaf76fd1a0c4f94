"""A host on the internet, on this machine: it has the documents that describe clients (CIMD)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from tests.certificates import certificate

HOST: Final = "client.example"


@contextmanager
def serving(documents: Mapping[str, Any], folder: Path) -> Iterator[dict[str, str]]:
    """Serve a JSON document for each path, over TLS; what a server has to know to find them.

    The certificate is of the host's own making, and stands in `folder`.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = documents.get(self.path)
            body = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: what was asked, the tests see."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.socket = certificate(folder, HOST).wrap_socket(served.socket, server_side=True)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    try:
        yield {
            "DOCUMENTS_PORT": str(served.server_address[1]),
            "DOCUMENTS_CA": str(folder / "ca.pem"),
        }
    finally:
        served.shutdown()
        thread.join()
        served.server_close()
