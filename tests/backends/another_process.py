"""A process that has something to say and then ends: `python -m tests.backends.another_process`.

With "fork" it says something, is forked, and its child says something too. With "lookup" it is
forked while it looks up the name of the server, in which there is a lock, as in glibc's.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import warnings
from typing import Any

import django
from django.conf import settings

from tests import settings as ours


def with_lock(began: threading.Event) -> None:
    """Have names looked up one at a time; tells when the first lookup has begun."""
    lock, look_up, a_while = threading.Lock(), socket.getaddrinfo, threading.Event()

    def locked(*args: Any, **kwargs: Any) -> Any:
        with lock:
            began.set()
            a_while.wait(0.1)  # The moment in which the fork happens.
            return look_up(*args, **kwargs)

    socket.getaddrinfo = locked


def main(kind: str, url: str, prefix: str) -> None:
    given = {name: getattr(ours, name) for name in dir(ours) if name.isupper()}
    backend = "channels_redis.core.RedisChannelLayer"
    config = {"hosts": [url], "prefix": prefix}
    settings.configure(
        **{**given, "CHANNEL_LAYERS": {"default": {"BACKEND": backend, "CONFIG": config}}}
    )
    django.setup()
    from django_mcp import MCPServer

    began = threading.Event()
    if kind == "lookup":
        with_lock(began)
    server = MCPServer("test")
    server.add_resource("x://1", "one")
    server.notify_resource_updated("x://parent")
    if kind == "lookup":
        began.wait(30)
    if kind != "end":
        with warnings.catch_warnings():
            # Python warns of threads since 3.12: that they are no trouble is what is tested.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            server.notify_resource_updated("x://child")
            sys.exit()
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
