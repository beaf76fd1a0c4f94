"""One module a feature: what each method of the protocol answers.

A handler takes an exchange and the decoded params and returns a result; it raises what it cannot
answer. The table maps methods to handlers; whether a method exists in a revision is
`protocol.methods`, and how an exception is worded `server.dispatch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..dispatch import Handler
from . import completion, lifecycle, logging, prompts, resources, subscriptions, tools

HANDLERS: Final[Mapping[str, Handler]] = {
    "initialize": lifecycle.initialize,
    "ping": lifecycle.ping,
    "logging/setLevel": logging.set_level,
    "resources/subscribe": resources.subscribe,
    "resources/unsubscribe": resources.unsubscribe,
    "server/discover": lifecycle.discover,
    "tools/list": tools.list_tools,
    "tools/call": tools.call,
    "resources/list": resources.list_resources,
    "resources/templates/list": resources.list_templates,
    "resources/read": resources.read,
    "prompts/list": prompts.list_prompts,
    "prompts/get": prompts.get,
    "completion/complete": completion.complete,
    "subscriptions/listen": subscriptions.listen,
}
