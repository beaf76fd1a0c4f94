"""A process that has something to say and then ends: `python -m tests.backends.another_process`.

With "fork" it says something, is forked, and its child says something too.
"""

from __future__ import annotations

import os
import sys
import warnings

import django
from django.conf import settings

from tests import settings as ours


def main(kind: str, url: str, prefix: str) -> None:
    given = {name: getattr(ours, name) for name in dir(ours) if name.isupper()}
    backend = "channels_redis.core.RedisChannelLayer"
    config = {"hosts": [url], "prefix": prefix}
    settings.configure(
        **{**given, "CHANNEL_LAYERS": {"default": {"BACKEND": backend, "CONFIG": config}}}
    )
    django.setup()
    from django_mcp import MCPServer

    server = MCPServer("test")
    server.add_resource("x://1", "one")
    server.notify_resource_updated("x://parent")
    if kind == "fork":
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
