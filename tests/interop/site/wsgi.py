"""The project over WSGI: `python -m tests.interop.site.wsgi --port 8000` serves it with wsgiref.

Every request has a thread. `--prefix /some/path` serves it below that path, as SCRIPT_NAME.
"""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.util import shift_path_info

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.interop.site.settings")
application = get_wsgi_application()


class Server(ThreadingMixIn, WSGIServer):
    """wsgiref's server, with a thread for each request and room for those that wait."""

    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the resolver for the name of this machine.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.server_address[:2]
        self.setup_environ()


class Server6(Server):
    """The same for IPv6."""

    address_family = socket.AF_INET6


class Quiet(WSGIRequestHandler):
    """Writes no line for a request."""

    def log_message(self, format: str, *args: Any) -> None:
        return None


def below(prefix: str) -> Callable[..., Iterable[bytes]]:
    """The application, served under `prefix`."""
    parts = [part for part in prefix.split("/") if part]

    def prefixed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for _ in parts:
            shift_path_info(environ)
        return application(environ, start_response)

    return prefixed


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.site.wsgi")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--prefix", default="")
    options = parser.parse_args()
    server_class = Server6 if ":" in options.host else Server
    with server_class((options.host, options.port), Quiet) as server:
        server.set_app(below(options.prefix))
        server.serve_forever()


if __name__ == "__main__":
    main()
