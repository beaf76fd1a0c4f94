"""The whole way of an authorization as its user sees it: with a real browser, `tests.chromium`.

Both generations of the official client, in either era, and each way in which one can be known by
itself; from the first 401 over login, consent, step-up and refresh to the click that ends it. What
a page does wrong on the way, or the browser says of it, fails the test. Without Chromium, or what
drives it, these are skipped; with MCP_REQUIRE_CHROMIUM=1 in the environment they fail instead.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull

from django_mcp.oauth.clients import LONGEST_NAME
from tests.chromium import Chromium, Missing, executable, running

from .authorizing import (
    Kept,
    connected_with,
    known_by,
    library_with_documents,
    provider_of,
    said_in,
)
from .servers import Site

DRIVER = Path(__file__).with_name("sdk_1x") / "authorizing.py"
WAYS = ["document", "dynamic", "by hand"]
#: Seconds the driver may take.
PATIENCE = 100.0
CONNECTIONS = "oauth/connections/"
COUNT = ("count_by_decade", {"from": 1800, "to": 1900})
LEND = ("lend_book", {"book_id": 10**6, "card_number": 1})


class Anna(Chromium):
    """The user of the library, as the official client sends her away and meets her again."""

    async def go_to(self, url: str) -> None:
        self._answer = await self.answer(url)

    async def come_back(self) -> AuthorizationCodeResult:
        return said_in(self._answer)


@pytest.fixture(scope="module", autouse=True)
async def browser(anyio_backend: str) -> AsyncIterator[Any]:
    """One for every test, in which each logs in anew."""
    try:
        executable()
    except Missing as reason:
        if os.environ.get("MCP_REQUIRE_CHROMIUM") == "1":
            pytest.fail(str(reason))
        pytest.skip(str(reason))
    async with running() as started:
        yield started


@pytest.fixture(scope="module")
def callback() -> Iterator[str]:
    """Where a client awaits the answer, on a port of this computer."""

    class Client(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Done</title>Go back to the program.")

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: what was asked, the tests see."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Client)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{served.server_port}/callback"
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chromium")


@pytest.fixture(scope="module")
def site(kept: Path, callback: str) -> Iterator[Site]:
    with library_with_documents(kept, callback) as served:
        yield served


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, site: Site, kept: Path, callback: str) -> dict[str, Any]:
    """How the client is known. Each test has a client of its own, but for the document's."""
    own = f"The SDK, {request.node.name}"
    name = "The SDK" if request.param == "document" else own
    return known_by(request.param, kept, name=name, callback=callback)


@pytest.fixture
async def anna(browser: Any) -> AsyncIterator[Anna]:
    async with Anna(browser) as somebody:
        yield somebody


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_client_goes_the_whole_way(site: Site, way: Any, anna: Anna, mode: str) -> None:
    kept = Kept()
    if "client" in way:
        kept.client = OAuthClientInformationFull.model_validate(way["client"])
    provider = provider_of(site, anna, kept, document=way.get("document"), **way["metadata"])

    async with connected_with(site, provider, mode=mode) as client:
        assert not (await client.call_tool(*COUNT)).is_error
        lent = await client.call_tool(*LEND)
        first = kept.tokens
        provider.context.token_expiry_time = 1.0
        assert not (await client.call_tool(*COUNT)).is_error
        asked = len(anna.asked)
        await anna.disconnect(site.url(CONNECTIONS), way["metadata"]["client_name"])
        again = await client.call_tool(*COUNT)

    assert "no book 1000000" in str(lent.content)
    assert {"mcp:read", "library:lend"} <= set(anna.asked[1].split())
    assert kept.tokens.refresh_token != first.refresh_token
    # What she has ended is good for nothing, so that she is asked once more.
    assert (asked, len(anna.asked), again.is_error) == (2, 3, False)
    assert anna.complaints == []


@pytest.mark.anyio
async def test_sdk_1x_goes_the_whole_way(site: Site, way: Any, anna: Anna, sdk_1x: Path) -> None:
    command = [str(sdk_1x), str(DRIVER), site.url(), "-", json.dumps(way)]
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process(command, stderr=None) as driver:
            lines = BufferedByteReceiveStream(driver.stdout)
            while isinstance(said := json.loads(await lines.receive_until(b"\n", 65536)), list):
                match said:
                    case ["answer", url]:
                        reply = await anna.answer(url)
                    case ["disconnect", program]:
                        await anna.disconnect(site.url(CONNECTIONS), program)
                        reply = "done"
                await driver.stdin.send(f"{reply}\n".encode())

    assert said == {
        "called": True,
        "lent": "There is no book 1000000.",
        "called_after_refresh": True,
        "refreshed": True,
        "asked_before_revocation": 2,
        "revoked": "done",
        "called_after_revocation": True,
        "asked": anna.asked,
        "client_id": said["client_id"],
        "has_secret": False,
    }
    assert len(anna.asked) == 3
    assert anna.complaints == []


@pytest.fixture(scope="module")
def link(site: Site, kept: Path, callback: str) -> str:
    """Where a client sends its user, whose name is as long as one may be."""
    known = known_by("by hand", kept, name="W" * LONGEST_NAME, callback=callback)
    asked = {
        "response_type": "code",
        "client_id": known["client"]["client_id"],
        "redirect_uri": callback,
        "scope": "mcp:read mcp:write library:lend",
        "resource": site.url(),
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }
    return f"{site.url('oauth/authorize')}?{urlencode(asked)}"


@pytest.mark.anyio
async def test_with_the_keyboard_nobody_allows_more_than_they_mean(link: str, anna: Anna) -> None:
    leads = await anna.answer(link)
    assert "code" in parse_qs(urlsplit(leads).query)

    # Enter elsewhere than on a button is the first button's, and that is "No".
    await anna.page.goto(link)
    await anna.tab_to(anna.page.get_by_role("checkbox", name="Change things in your name"))
    await anna.page.keyboard.press("Enter")
    await anna.page.wait_for_url("**/callback?*")

    assert "error=access_denied" in anna.page.url
    assert anna.complaints == []


@pytest.mark.anyio
async def test_a_token_is_made_shown_and_ended(site: Site, anna: Anna) -> None:
    page = anna.page
    await anna.open(site.url(CONNECTIONS))
    await anna.tab_to(page.get_by_role("textbox", name="Name"))
    await page.keyboard.type("For the night")
    await anna.press(page.get_by_role("button", name="Make a token"))
    shown = await page.get_by_role("status").inner_text()
    await anna.look()
    end = page.get_by_role("button", name="End For the night")
    await end.click()
    await end.wait_for(state="detached")

    assert "mcp_" in shown
    assert not await page.get_by_role("status").count()
    assert anna.complaints == []


@pytest.mark.anyio
async def test_what_cannot_be_authorized_is_told_to_everybody(link: str, anna: Anna) -> None:
    await anna.open(link)
    await anna.page.goto(link.replace("client_id=", "client_id=no"))
    await anna.look()

    assert "No client of that name" in await anna.page.locator("main").inner_text()
    [complaint] = anna.complaints
    assert "status of 400" in complaint


@pytest.mark.anyio
async def test_a_warning_is_set_apart_where_the_page_has_no_colours(link: str, anna: Anna) -> None:
    await anna.open(link)
    await anna.page.emulate_media(forced_colors="active")
    warning = anna.page.locator(".warning")
    border = await warning.evaluate("e => getComputedStyle(e).border")
    background = await anna.page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert border.startswith("1px solid rgb(")
    assert background not in border


@pytest.mark.anyio
async def test_no_page_is_shown_inside_another_s(
    site: Site, callback: str, link: str, anna: Anna
) -> None:
    """The other page is of the same site, so that cookies are sent, and of another origin."""
    forbidding = []
    for url in (site.url("accounts/login/"), link, site.url(CONNECTIONS)):
        await anna.page.goto(callback)
        await anna.page.set_content(f'<iframe src="{escape(url)}"></iframe>')
        [frame] = anna.page.main_frame.child_frames
        assert frame.url == "chrome-error://chromewebdata/"
        assert not await frame.get_by_role("button").count()
        forbidding.append(anna.complaints[-1])
        await anna.open(link)

    said = ["X-Frame-Options", "frame-ancestors 'none'", "frame-ancestors 'none'"]
    assert all(map(str.__contains__, forbidding, said)), forbidding


@pytest.mark.anyio
async def test_what_is_wrong_with_a_page_is_seen(callback: str, anna: Anna) -> None:
    await anna.page.goto(callback)
    await anna.page.set_content("""<title>Wrong</title><main><h1>Wrong</h1>
        <meta http-equiv="Content-Security-Policy" content="style-src 'none'">
        <style>p { color: #fff }</style>
        <input><button style="outline: none">Go</button>
        <p style="width: 400px; background: #eee; color: #ddd">Pale</p></main>""")
    await anna.tab_to(anna.page.get_by_role("button"))
    await anna.look()

    found = "\n".join(anna.complaints)
    wrong = ["html-has-lang", "label", "color-contrast, in light", "color-contrast, in dark"]
    wrong += ["Content Security Policy", "focus does not show", "not dark", "wider than the screen"]
    assert [each for each in wrong if each not in found] == []
