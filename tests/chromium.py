"""A user's browser, and a real one: Chromium without a window, on a screen like a small phone's.

    python -m tests.chromium [--user NAME] [--password WORD] [--stay] URL

does with a link what `tests.browser` plays, and is taken as `BROWSER` like that. Whoever it is for
uses the keyboard alone where they log in and consent, and clicks where they end a connection. Each
page on the way is looked at, in light and in dark colours: by axe for what people need who see,
hear or handle little, and here for what does not fit the screen. What is wrong with a page, and
what the browser itself says is wrong, are `complaints`.

Playwright drives the Chromium that is installed; it downloads none. Who has neither is told so by
`Missing`. Opens links to this computer only.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qs, urlsplit

from tests.browser import LOOPBACK, PATIENCE, Lost

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Locator

#: What the browser is called by those who package it.
NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
#: Width and height of the screen in pixels; at this width nothing may need scrolling both ways
#: (WCAG 2.2, 1.4.10).
PHONE: Final = {"width": 320, "height": 568}
#: How often Tab is pressed before somebody gives up.
TABS: Final = 40

_IS_FOCUSED: Final = "e => e === document.activeElement"
_FOCUS_SHOWS: Final = """e => {
    const {outlineStyle, outlineWidth} = getComputedStyle(e);
    return outlineStyle !== "none" && parseFloat(outlineWidth) > 0;
}"""
_TOO_WIDE: Final = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
#: The light in the colour that text has, as a number that has a meaning beside others only.
_LIGHT_IN_TEXT: Final = """getComputedStyle(document.body).color
    .match(/[\\d.]+/g).slice(0, 3).map(Number).reduce((sum, each) => sum + each)"""


class Missing(Exception):
    """There is no browser to be had; the text says what is lacking."""


def executable() -> str:
    """The path of the browser that is installed; raises Missing."""
    try:
        import axe_playwright_python  # noqa: F401
        import playwright  # noqa: F401
    except ImportError as error:
        raise Missing(f"{error}: pip install 'django-mcp-channels[browser]'") from None
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise Missing(f"none of {', '.join(NAMES)} is installed")
    return found


@asynccontextmanager
async def running() -> AsyncIterator[Browser]:
    """The browser, for one user after the other; raises Missing."""
    found = executable()
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found)
        yield browser
        await browser.close()


class Chromium:
    """Somebody with an account, who stays logged in from one link to the next, while it is entered.

    `asked` has the scopes of each link, in order. `complaints` has what is wrong with the pages.
    """

    def __init__(self, browser: Browser, user: str = "anna", password: str = "secret") -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self._browser = browser
        self._user = user
        self._password = password

    async def __aenter__(self) -> Self:
        self.page = await self._browser.new_page(viewport=PHONE, locale="en-GB")
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._complain(f"script: {error}"))
        self.page.on("requestfailed", lambda request: self._complain(f"failed: {request.url}"))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.page.close()

    async def open(self, link: str) -> None:
        """Be on the page that `link` leads to, logged in."""
        if urlsplit(link).hostname not in LOOPBACK:
            raise Lost(f"{link} is not on this computer")
        from playwright.async_api import Error

        try:
            await self.page.goto(link)
        except Error as error:
            raise Lost(error.message.partition("\n")[0]) from None
        await self.look()
        password = self.page.locator("input[type=password]")
        if await password.count():
            await self.tab_to(self.page.locator("input[name=username]"))
            await self.page.keyboard.type(self._user)
            await self.tab_to(password)
            await self.page.keyboard.type(self._password)
            await self.page.keyboard.press("Enter")
            await self._until(lambda url: urlsplit(url).path == urlsplit(link).path)
            await self.look()

    async def answer(self, link: str) -> str:
        """Follow `link`, log in where that is asked, say yes, and return where that leads."""
        self.asked += parse_qs(urlsplit(link).query).get("scope", [""])
        await self.open(link)
        allow = self.page.get_by_role("button", name="Allow", exact=True)
        if not await allow.count():
            raise Lost(f"{self.page.url} asks nothing: {await self._text()}")
        await self.press(allow)
        await self._until(lambda url: urlsplit(url)[:2] != urlsplit(link)[:2])
        return self.page.url

    async def go(self, link: str) -> str:
        """The same; what is said where it leads."""
        await self.answer(link)
        return await self._text()

    async def disconnect(self, link: str, program: str) -> None:
        """End what `program` may, with a click on the page of connected programs, `link`."""
        await self.open(link)
        button = self.page.get_by_role("button", name=f"Disconnect {program}", exact=True)
        await button.click()
        await button.wait_for(state="detached")

    async def press(self, button: Locator) -> None:
        """Go to a button and press it, with the keyboard alone."""
        await self.tab_to(button)
        await self.page.keyboard.press("Enter")

    async def tab_to(self, target: Locator) -> None:
        """Press Tab until `target` has the focus, which is to be seen wherever it stops."""
        for _ in range(TABS):
            await self.page.keyboard.press("Tab")
            focused = self.page.locator(":focus")
            if await focused.count() and not await focused.evaluate(_FOCUS_SHOWS):
                self._complain(f"focus does not show: {await focused.evaluate('e => e.outerHTML')}")
            if await target.evaluate(_IS_FOCUSED):
                return
        raise Lost(f"no Tab leads to {target}")

    async def look(self) -> None:
        """Look at the page, as `complaints` has it."""
        from axe_playwright_python.base import AXE_SCRIPT

        lights = []
        await self.page.evaluate(AXE_SCRIPT)
        for scheme in ("dark", "light"):
            await self.page.emulate_media(color_scheme=scheme)
            lights.append(await self.page.evaluate(_LIGHT_IN_TEXT))
            found = await self.page.evaluate("axe.run({resultTypes: ['violations']})")
            for each in found["violations"]:
                where = [node["html"] for node in each["nodes"]]
                self._complain(f"{each['id']}, in {scheme} colours: {each['help']}: {where}")
        if lights[0] <= lights[1]:
            self._complain("the page is not dark for who prefers that")
        if await self.page.evaluate(_TOO_WIDE):
            self._complain("the page is wider than the screen")

    async def _until(self, there: Callable[[str], bool]) -> None:
        """Wait for the page at whose URL one is `there`; raises Lost."""
        from playwright.async_api import Error

        try:
            await self.page.wait_for_url(there)
        except Error as error:
            what = error.message.partition("\n")[0]
            raise Lost(f"{self.page.url}: {what} {await self._text()}") from None

    async def _text(self) -> str:
        return (await self.page.locator("body").inner_text())[:2000]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complain(f"console: {message.text}")

    def _complain(self, what: str) -> None:
        self.complaints.append(f"{self.page.url.partition('?')[0]}: {what}")


async def run(given: argparse.Namespace) -> str:
    """What is printed; complaints are written beside that. Raises Missing and Lost."""
    async with running() as browser, Chromium(browser, given.user, given.password) as somebody:
        try:
            return await (somebody.answer if given.stay else somebody.go)(given.url)
        finally:
            sys.stderr.writelines(f"{each}\n" for each in somebody.complaints)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit status is 0 where that came out."""
    parser = argparse.ArgumentParser(description="Log in and consent with Chromium.")
    parser.add_argument("--user", default="anna")
    parser.add_argument("--password", default="secret")
    parser.add_argument("--stay", action="store_true", help="print where the answer leads")
    parser.add_argument("url")
    try:
        print(asyncio.run(run(parser.parse_args(arguments))))
    except (Lost, Missing) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
