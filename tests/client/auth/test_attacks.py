"""What others try: with their documents, their answers, their redirects, and their patience."""

from __future__ import annotations

import gzip
import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from django_mcp.client.auth import (
    Authorization,
    AuthorizationResponse,
    DiscoveryError,
    Handlers,
    IssuerMismatch,
    MemoryStorage,
    OAuthError,
    RequestFailed,
    ResourceMismatch,
    StateMismatch,
    TokenRefused,
    UnsafeURL,
)
from django_mcp.client.auth.sending import LARGEST_REPLY, Sender
from django_mcp.client.auth.steps import Reply, Steps

from .test_oauth import storage_with
from .world import ISSUER, REDIRECT_URI, SERVER, Answer, User, World, answer, oauth

OF_SERVER = "https://mcp.example/.well-known/oauth-protected-resource/mcp"
OF_ISSUER = f"{ISSUER}/.well-known/oauth-authorization-server"
TOKEN = f"{ISSUER}/token"
EVIL = "https://evil.example"


@pytest.fixture
def world() -> World:
    return World()


def always(document: object) -> Answer:
    async def say(request: httpx.Request) -> httpx.Response:
        return answer(document)

    return say


def redirecting(to: str, status: int = 307) -> Answer:
    async def say(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"location": to})

    return say


async def refused(world: World, error: type[OAuthError], **arguments: Any) -> OAuthError:
    """The error that a request to the server ends in."""
    async with world.http(auth=oauth(world, **arguments)) as client:
        with pytest.raises(error) as caught:
            await client.post(SERVER)
    return caught.value


# -------------------------------------------------------------------------------------- documents


async def test_a_server_cannot_have_tokens_for_another_one(world: World) -> None:
    document = {"resource": "https://bank.example/mcp", "authorization_servers": [ISSUER]}
    world.answers[OF_SERVER] = always(document)

    await refused(world, ResourceMismatch)

    assert not world.visits
    assert not [line for line in world.log if ISSUER in line]


async def test_an_authorization_server_cannot_speak_for_another_one(world: World) -> None:
    world.metadata["issuer"] = "https://bank.example"

    await refused(world, IssuerMismatch)

    assert not world.visits
    assert not world.registrations


@pytest.mark.parametrize("methods", [None, ["plain"]])
async def test_an_authorization_server_cannot_do_without_pkce(
    world: World, methods: list[str] | None
) -> None:
    world.metadata["code_challenge_methods_supported"] = methods

    await refused(world, DiscoveryError)

    assert not world.visits


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
async def test_nobody_is_sent_to_an_endpoint_that_is_no_web_page(world: World, name: str) -> None:
    world.metadata[name] = "file:///etc/passwd"

    await refused(world, UnsafeURL)

    assert not world.visits


async def test_a_server_cannot_make_the_client_look_into_a_private_network(world: World) -> None:
    async def lure(request: httpx.Request) -> httpx.Response:
        return world.challenge(401, resource_metadata="http://169.254.169.254/latest/meta-data")

    world.answers[SERVER] = lure

    await refused(world, UnsafeURL)

    assert world.log == ["POST https://mcp.example/mcp"]


# ---------------------------------------------------------------------------------------- answers


async def test_a_code_of_another_authorization_server_is_not_redeemed(world: World) -> None:
    """A mix-up: the user was led to another authorization server, and comes back with its code."""
    world.iss = "https://honest.example"

    await refused(world, IssuerMismatch)

    assert not world.forms


async def test_an_answer_to_somebody_elses_request_is_not_redeemed(world: World) -> None:
    async def callback() -> AuthorizationResponse:
        return AuthorizationResponse(code="of the attacker", state="of the attacker", iss=ISSUER)

    user = User(world)
    interaction = Handlers(REDIRECT_URI, user._go, callback)

    await refused(world, StateMismatch, interaction=interaction)

    assert not world.forms


async def test_a_code_is_good_for_one_use(world: World) -> None:
    authorization = Authorization(SERVER, storage=MemoryStorage(), http=world.http())
    pending = await authorization.begin(REDIRECT_URI)
    arrived = world.authorize(pending.url)
    tokens = await authorization.finish(pending, arrived)

    with pytest.raises(TokenRefused, match="invalid_grant"):
        await authorization.finish(pending, arrived)

    assert await authorization.storage.get_tokens(SERVER) == tokens


async def test_a_code_that_was_injected_does_not_fit_the_verifier(world: World) -> None:
    authorization = Authorization(SERVER, http=world.http())
    mine = await authorization.begin(REDIRECT_URI)
    theirs = await authorization.begin(REDIRECT_URI)
    code = AuthorizationResponse.from_url(world.authorize(theirs.url)).code

    injected = AuthorizationResponse(code=code, state=mine.state, iss=ISSUER)
    with pytest.raises(TokenRefused, match="invalid_grant"):
        await authorization.finish(mine, injected)


# --------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_code_is_not_sent_on_to_another_place(world: World, status: int) -> None:
    world.answers[TOKEN] = redirecting(f"{EVIL}/token", status)

    await refused(world, RequestFailed)

    assert not [line for line in world.log if EVIL in line]


async def test_a_code_is_not_sent_on_to_the_same_host_either(world: World) -> None:
    world.answers[TOKEN] = redirecting(f"{ISSUER}/other")

    await refused(world, RequestFailed)

    assert f"POST {ISSUER}/other" not in world.log


@pytest.mark.parametrize("url", [OF_SERVER, OF_ISSUER])
@pytest.mark.parametrize(
    "to", [f"{EVIL}/x", "http://auth.example/x", "//evil.example/x", "https://[::1", "file:///x"]
)
async def test_a_document_is_not_looked_for_on_another_host(
    world: World, url: str, to: str
) -> None:
    world.answers[url] = redirecting(to)

    await refused(world, OAuthError, fallback=False)

    assert not [line for line in world.log if line.endswith("/x")]


async def test_a_document_may_be_at_another_path_of_its_host(world: World) -> None:
    world.answers[OF_SERVER] = redirecting("/.well-known/oauth-protected-resource/mcp/", 301)
    document = {"resource": SERVER, "authorization_servers": [ISSUER]}
    world.answers[OF_SERVER + "/"] = always(document)

    async with world.http(auth=oauth(world)) as client:
        assert (await client.post(SERVER)).status_code == 200


async def test_a_document_that_is_always_somewhere_else_is_given_up_on(world: World) -> None:
    world.answers[OF_SERVER] = redirecting(OF_SERVER)

    await refused(world, RequestFailed)

    assert world.log.count(f"GET {OF_SERVER}") == 4


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_token_does_not_follow_a_redirect_to_another_host(
    world: World, status: int
) -> None:
    storage = await storage_with(world, "read")
    seen: list[httpx.Headers] = []

    async def collect(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return world.challenge(401, resource_metadata=f"{EVIL}/meta")

    world.answers[SERVER] = redirecting(f"{EVIL}/collect", status)
    world.answers[f"{EVIL}/collect"] = collect

    async with world.http(auth=oauth(world, storage=storage), follow_redirects=True) as client:
        response = await client.post(SERVER)

    # The 401 over there is none of ours: it starts nothing.
    assert response.status_code == 401
    assert ["authorization" in headers for headers in seen] == [False]
    assert not [line for line in world.log if "meta" in line]


@pytest.mark.parametrize(
    "url",
    [
        "https://mcp.example.evil.example/mcp",
        "https://evil.example/mcp",
        "https://mcp.example:8443/mcp",
        "http://mcp.example/mcp",
    ],
)
async def test_a_token_is_for_one_origin(world: World, url: str) -> None:
    storage = await storage_with(world, "read")
    seen: list[httpx.Headers] = []

    async def collect(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return world.challenge(401)

    world.answers[url] = collect

    async with world.http(auth=oauth(world, storage=storage)) as client:
        response = await client.post(url)

    assert response.status_code == 401
    assert ["authorization" in headers for headers in seen] == [False]
    assert len(world.log) == 1


# ------------------------------------------------------------------------------- size and patience


class Stream(httpx.AsyncByteStream):
    """An answer that comes in pieces, and says whether it was closed."""

    def __init__(self, *pieces: bytes, then_wait: bool = False, endless: bool = False) -> None:
        self._pieces = pieces
        self._then_wait = then_wait
        self._endless = endless
        self.sent = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            for piece in self._pieces:
                self.sent += len(piece)
                yield piece
            if not self._endless:
                break
        if self._then_wait:
            await anyio.sleep_forever()

    async def aclose(self) -> None:
        self.closed = True


def streaming(stream: Stream, status: int = 200, **headers: str) -> Answer:
    async def say(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, stream=stream, headers=headers)

    return say


@pytest.mark.parametrize("url", [OF_SERVER, OF_ISSUER, f"{ISSUER}/register", TOKEN])
async def test_an_answer_without_an_end_is_not_read_to_its_end(world: World, url: str) -> None:
    stream = Stream(b"x" * 10_000, endless=True)
    world.answers[url] = streaming(stream)

    error = await refused(world, RequestFailed)

    assert "256 KiB" in str(error)
    assert stream.closed
    assert stream.sent <= LARGEST_REPLY + 10_000


async def test_an_answer_that_is_packed_is_not_unpacked(world: World) -> None:
    bomb = gzip.compress(b"{" + b" " * 50_000_000)
    assert len(bomb) < LARGEST_REPLY
    stream = Stream(bomb)
    world.answers[OF_SERVER] = streaming(stream, **{"content-encoding": "gzip"})

    async with world.http(auth=oauth(world, fallback=False)) as client:
        with pytest.raises(DiscoveryError, match="not a JSON object"):
            await client.post(SERVER)


async def test_an_answer_that_drips_is_not_waited_for() -> None:
    stream = Stream(b"{", then_wait=True)
    world = World()
    world.answers[OF_SERVER] = streaming(stream)
    sender = Sender(SERVER, http=world.http(), timeout=0.05)

    def steps() -> Steps[Reply]:
        return (yield httpx.Request("GET", OF_SERVER))

    with pytest.raises(RequestFailed, match=r"0\.05 seconds"):
        await sender.run(steps())

    assert stream.closed


async def test_a_refusal_without_an_end_does_not_keep_the_request(world: World) -> None:
    stream = Stream(b"x" * 10_000, endless=True)

    async def refuse_at_length(request: httpx.Request) -> httpx.Response:
        if "authorization" in request.headers:
            return world.serve(request)
        headers = {"www-authenticate": 'Bearer scope="read"'}
        return httpx.Response(401, stream=stream, headers=headers)

    world.answers[SERVER] = refuse_at_length

    async with world.http(auth=oauth(world)) as client:
        response = await client.post(SERVER)

    assert response.status_code == 200
    assert stream.closed
    assert stream.sent <= 10_000


@pytest.mark.parametrize("document", [b"[" * 200_000, b'{"a":' * 40_000, b"\xff\xfe", b"1e999999"])
async def test_a_document_that_is_hard_to_read_is_none(world: World, document: bytes) -> None:
    world.answers[OF_SERVER] = streaming(Stream(document))

    async with world.http(auth=oauth(world, fallback=False)) as client:
        with pytest.raises(DiscoveryError, match="not a JSON object"):
            await client.post(SERVER)


# ------------------------------------------------------------------------------------------ secrets


async def test_no_secret_is_in_a_log_a_url_or_what_is_printed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    auth = oauth(world)
    world.expires_in = 0

    async with world.http(auth=auth) as client:
        await client.post(SERVER)
        await client.post(SERVER)

    visit = world.visits[0]
    secrets = [*world.valid, *(form.get("code_verifier") for form in world.forms), visit["state"]]
    printed = " ".join([caplog.text, *world.log, repr(auth), repr(vars(auth))])
    assert len(world.forms) == 2
    assert not [secret for secret in secrets if secret and secret in printed]


async def test_a_token_is_in_no_url(world: World) -> None:
    urls: list[str] = []
    transport = httpx.MockTransport(_noting(world, urls))

    async with (
        httpx.AsyncClient(transport=transport) as inner,
        httpx.AsyncClient(transport=transport, auth=oauth(world, http=inner)) as client,
    ):
        await client.post(SERVER)

    assert len(urls) == 6
    assert not [url for url in urls for token in world.valid if token in url]


def _noting(world: World, urls: list[str]) -> Answer:
    async def note(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return await world.handle(request)

    return note
