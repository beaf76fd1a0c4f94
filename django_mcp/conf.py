"""The DJANGO_MCP setting as one typed object, read when it is first needed.

So are the settings of Django's own that every request is judged by: asking `django.conf.settings`
for one takes longer than most of the checks do.

`checks` reports keys that do not exist and values of the wrong type; `get()` raises
ImproperlyConfigured for them, so that nothing runs on a misread setting.
"""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from pydantic import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

#: Rates by their scopes.
Throttles: TypeAlias = Mapping[str, str]

#: How much of its arguments is kept with a call.
Policy: TypeAlias = Literal["none", "names", "redacted", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What DJANGO_MCP may say; every key is optional, and written in capitals there."""

    name: str = "django-mcp"
    """What clients know the default server by."""
    title: str | None = None
    """Its name for people."""
    version: str = ""
    description: str | None = None
    instructions: str | None = None
    """What the model is told of the server."""
    website_url: str | None = None
    icons: Sequence[str | Mapping[str, Any]] = ()
    """Sources ("static:library/book.svg"), or whole icon objects."""

    path: str = "mcp"
    """Where `get_asgi_application()` mounts the default server."""
    authentication: str | Callable[..., Any] | None = None
    """A callable, or the dotted path of one, that turns a request into a Principal."""
    reauthenticate_every: NonNegativeFloat | None = 30.0
    """Seconds after which whoever is connected, or has a call that runs, is authenticated again;
    0 or None for never."""
    allowed_origins: Sequence[str] = ()
    """Origins of other sites whose pages may call the endpoint."""

    max_body_bytes: int = 4 * 1024 * 1024
    max_json_depth: int = 64
    max_threads: int = 40
    """How many sync functions, and how many async ones with queries, run at a time."""
    page_size: int = 500
    keep_alive: float = 15.0
    """Seconds of silence after which a stream gets a comment; 0 for never."""
    request_state_lifetime: int = 600
    """Seconds a question may wait for its answer."""
    channel_layer: str = "default"
    """The channel layer, by its name in CHANNEL_LAYERS, that the processes share."""

    sessions: str | Callable[..., Any] | None = "database"
    """Who keeps sessions: "database", "cache", "memory", None for nobody, or a callable (or its
    dotted path) that returns a SessionStore and an EventLog."""
    sessions_cache: str = "default"
    """The alias in CACHES, for "cache"."""
    session_idle: PositiveFloat = 24 * 3600.0
    """Seconds after which a session nobody uses ends."""
    session_lifetime: PositiveFloat = 30 * 24 * 3600.0
    """Seconds after which any session does."""
    max_sessions: PositiveInt = 10_000
    """Open sessions of a server."""
    max_sessions_per_principal: PositiveInt = 100
    event_lifetime: PositiveFloat = 3600.0
    """Seconds for which a broken stream can be resumed."""

    audit: bool = False
    """Whether a row is kept of each call."""
    audit_arguments: Policy | Mapping[str, Policy] = "none"
    """What is kept of arguments: "none", "names", "redacted" or "full"; or that by the names of
    tools and prompts, "*" for all others."""
    audit_redact: Sequence[str] = ()
    """More names of arguments whose values "redacted" leaves out, with wildcards: "*_address"."""
    audit_lifetime: PositiveFloat = 90 * 24 * 3600.0
    """Seconds after which the row of a call is removed."""
    audit_queue: PositiveInt = 10_000
    """Calls of a process that may wait to be written; what comes on top of them is not kept."""

    throttles: Throttles = field(default_factory=dict)
    """Rates by what they are counted for, such as {"user": "600/min", "tool:search": "30/min"}:
    "principal", "user", "client", "tool:<name>", "authentication" for failures of an address."""
    throttle_cache: str = "default"
    """The alias in CACHES that they are counted in."""
    trusted_proxies: NonNegativeInt = 0
    """Proxies of yours before the server, each of which adds to X-Forwarded-For."""
    kill_switch: bool = False
    """Whether servers can be closed in the admin, which costs a query in two seconds."""

    never_expose: Sequence[str] = ()
    """Models and fields that expose() refuses: "app.Model", "app.Model.field", "*.*.iban"."""

    cache: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """{"tools/list": {"ttl_ms": 60000, "scope": "private"}}"""
    middleware: Sequence[str | Callable[..., Any]] = ()
    lifespan: str | Callable[..., Any] | None = None


_UNSHOWN = "Its value is not shown here, since there may be a secret in it."

#: What SESSIONS may say in a word.
KINDS_OF_SESSIONS = ("database", "cache", "memory")


def problems(given: object) -> list[tuple[str, str]]:
    """What is wrong with the value of DJANGO_MCP, as pairs of a message and a hint."""
    further = {"SESSIONS": _word_problem, "THROTTLES": _throttle_problem}
    return problems_of("DJANGO_MCP", Settings, given, further)


def problems_of(
    setting: str,
    cls: type[Any],
    given: object,
    further: Mapping[str, Callable[[Any], str | None]] | None = None,
    hidden: Collection[str] = (),
) -> list[tuple[str, str]]:
    """What is wrong with the value of a setting that has the fields of `cls`, in capitals.

    `further` has, by key, functions that say what else is wrong with a value of the right type.
    Values of the keys `hidden` are not repeated: there may be a secret in them.
    """
    if not isinstance(given, Mapping):
        return [(f"{setting} must be a dict.", f"{setting} = {{}}")]
    known = [each.name.upper() for each in fields(cls)]
    found: list[tuple[str, str]] = []
    for key, value in given.items():
        if key not in known:
            nearest = difflib.get_close_matches(str(key).upper(), known, 1)
            hint = f"Did you mean {nearest[0]!r}?" if nearest else f"Known: {', '.join(known)}."
            found.append((f"{setting} has no setting {key!r}.", hint))
            continue
        message = _type_problem(cls, key.lower(), value)
        if message is None and further and key in further:
            message = further[key](value)
        if message:
            hint = _UNSHOWN if key in hidden else f"It is {value!r}."
            found.append((f"{setting}[{key!r}]: {message}", hint))
    return found


@cache
def get() -> Settings:
    """The settings; raises ImproperlyConfigured where DJANGO_MCP cannot be read."""
    given = getattr(settings, "DJANGO_MCP", {})
    return Settings(**checked(given, problems(given)))


def checked(given: Mapping[str, Any], wrong: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The arguments that a setting stands for; raises ImproperlyConfigured for what is wrong."""
    if wrong:
        raise ImproperlyConfigured(" ".join(f"{message} {hint}" for message, hint in wrong))
    return {key.lower(): value for key, value in given.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hosts:
    """What Django's own settings say of hosts and of the proxy before them."""

    allowed: tuple[str, ...]
    debug: bool
    use_x_forwarded_host: bool
    secure_proxy_ssl_header: tuple[str, str] | None


_OF_HOSTS = ("ALLOWED_HOSTS", "DEBUG", "USE_X_FORWARDED_HOST", "SECURE_PROXY_SSL_HEADER")


@cache
def hosts() -> Hosts:
    """Django's settings of hosts; another object after they have changed."""
    return Hosts(
        allowed=tuple(settings.ALLOWED_HOSTS),
        debug=settings.DEBUG,
        use_x_forwarded_host=settings.USE_X_FORWARDED_HOST,
        secure_proxy_ssl_header=settings.SECURE_PROXY_SSL_HEADER,
    )


def load(value: str | Callable[..., Any]) -> Callable[..., Any]:
    """The callable itself, or what a dotted path leads to."""
    return import_string(value) if isinstance(value, str) else value


def forget(*, setting: str, **kwargs: Any) -> None:
    """Receiver of `setting_changed`: read what has changed anew when it is next needed."""
    if setting == "DJANGO_MCP":
        get.cache_clear()
    elif setting in _OF_HOSTS:
        hosts.cache_clear()


class Rate(NamedTuple):
    """So many in so many seconds."""

    number: int
    seconds: int


_RATE = re.compile(r"([1-9]\d{0,8})/(s|sec|second|m|min|minute|h|hour|d|day)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@cache
def rate_of(text: str) -> Rate:
    """The rate that is written "600/min"; raises ValueError for what is none."""
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(
            f'{text!r} is no rate: write a number and "/s", "/min", "/hour" or "/day", such as '
            '"600/min".'
        )
    return Rate(int(found[1]), _SECONDS[found[2][0]])


#: What can be throttled by, beside "tool:<name>".
SCOPES = ("principal", "user", "client", "authentication")


def _throttle_problem(rates: Any) -> str | None:
    for scope, rate in rates.items():
        if scope not in SCOPES and not (scope.startswith("tool:") and scope != "tool:"):
            words = ", ".join(map(repr, SCOPES))
            return f"{scope!r} is nothing to throttle by: it is {words} or 'tool:<name>'."
        try:
            rate_of(rate)
        except ValueError as error:
            return str(error)
    return None


@cache
def _adapter(cls: type[object], name: str) -> TypeAdapter[Any]:
    dataclass: Any = cls
    annotation: Any = next(each.type for each in fields(dataclass) if each.name == name)
    return TypeAdapter(annotation)


def _type_problem(cls: Any, name: str, value: object) -> str | None:
    try:
        _adapter(cls, name).validate_python(value)
    except ValidationError as error:
        return "; ".join(sorted({str(item["msg"]) for item in error.errors()}))
    return None


def _word_problem(value: object) -> str | None:
    """What is wrong with a word for who keeps sessions; a path has a dot."""
    if not isinstance(value, str) or value in KINDS_OF_SESSIONS or "." in value:
        return None
    words = ", ".join(repr(word) for word in KINDS_OF_SESSIONS)
    return f"Should be {words}, None, a callable or the dotted path of one."
