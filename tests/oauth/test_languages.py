"""Pages speak the language of the browser, and the protocol speaks English."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import translation

from django_mcp import MCPServer
from tests.oauth.conftest import Door
from tests.oauth.people import Person, Program, parameters_of

pytestmark = pytest.mark.usefixtures("heeds_the_browser")

#: The question, and the button that says yes.
ASKED = {
    "de": ("Darf <bdi>A Program</bdi> in Ihrem Namen The Desk verwenden?", ">Erlauben<"),
    "es": ("¿Permitir que <bdi>A Program</bdi> use The Desk en su nombre?", ">Permitir<"),
    "fr": ("Laisser <bdi>A Program</bdi> utiliser The Desk en votre nom\xa0?", ">Autoriser<"),
    "ja": (
        "<bdi>A Program</bdi> があなたの名前で The Desk を使うことを許可しますか？",  # noqa: RUF001
        ">許可する<",
    ),
    "pt-br": ("Permitir que <bdi>A Program</bdi> use The Desk em seu nome?", ">Permitir<"),
    "zh-hans": ("允许 <bdi>A Program</bdi> 以您的名义使用 The Desk 吗？", ">允许<"),  # noqa: RUF001
    "en": ("Let <bdi>A Program</bdi> use The Desk in your name?", ">Allow<"),
}
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def opened(person: Person, query: dict[str, Any], language: str) -> Any:
    """The page of authorization, in a browser that wants `language`."""
    return person.browser.get("/oauth/authorize", query, headers={"Accept-Language": language})


@pytest.mark.parametrize("language", ASKED)
def test_a_user_is_asked_in_the_language_of_the_browser(
    anna: Person, program: Program, language: str
) -> None:
    page = opened(anna, program.register().request(), language)
    text = page.content.decode()

    assert f'<html lang="{language}" dir="ltr">' in text
    assert [words for words in ASKED[language] if words not in text] == []
    assert ("in your name" in text) is (language == "en")
    assert "code" in parameters_of(anna.answer(page))


def test_a_page_is_as_it_was_without_the_middleware(
    anna: Person, program: Program, settings: Any
) -> None:
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "locale" not in each]
    page = opened(anna, program.register().request(), "de")

    assert '<html lang="en-us"' in page.content.decode()
    assert ASKED["en"][0] in page.content.decode()


def test_what_a_program_says_of_itself_stays_a_text_in_every_language(
    anna: Person, program: Program
) -> None:
    program.register(client_name="<b>%(server)s & “Co”")
    text = opened(anna, program.request(), "de").content.decode()

    assert "Darf <bdi>&lt;b&gt;%(server)s &amp; “Co”</bdi> in Ihrem Namen The Desk verw" in text


def test_the_page_of_connected_programs_is_german(
    anna: Person, program: Program, tokens: dict[str, Any]
) -> None:
    page = anna.browser.get("/oauth/connections/", headers=GERMAN)
    text = page.content.decode()

    for words in ("Verbundene Programme", "Persönliche Token", 'aria-label="A Program trennen"'):
        assert words in text
    for words in ("Connected", "Disconnect", "Personal", "Make a token", "Good for", "Since"):
        assert words not in text


def test_what_is_wrong_with_a_request_is_said_in_german(anna: Person, program: Program) -> None:
    page = opened(anna, program.request(client_id="nobody"), "de")

    assert page.status_code == 400
    assert "Hier ist kein Client dieses Namens registriert." in page.content.decode()
    assert "Es wurde nichts erlaubt." in page.content.decode()


def test_what_a_program_is_told_is_english_whoever_asks(anna: Person, program: Program) -> None:
    program.register()
    wrong = anna.browser.get("/oauth/authorize", program.request(scope="desk:burn"), headers=GERMAN)
    said = [
        parameters_of(wrong)["error_description"],
        program.ask(grant_type="password", headers=GERMAN).json()["error_description"],
        program.redeem("no code", headers=GERMAN).json().get("error_description", ""),
        program.register_as({"redirect_uris": ["http://x"]}, HTTP_ACCEPT_LANGUAGE="de")
        .json()["error_description"],
    ]  # fmt: skip
    english = [
        parameters_of(anna.open(program.request(scope="desk:burn")))["error_description"],
        program.ask(grant_type="password").json()["error_description"],
        program.redeem("no code").json().get("error_description", ""),
        program.register_as({"redirect_uris": ["http://x"]}).json()["error_description"],
    ]

    assert said == english
    assert said[0] == "A scope that was asked for does not exist here."


def test_what_a_client_of_a_server_is_told_is_english_whatever_is_active(
    door: Door, server: MCPServer
) -> None:
    def told(language: str) -> list[Any]:
        with translation.override(language):
            return [
                async_to_sync(door.calling)(None, "look").body,
                async_to_sync(door.asking)("no token", "tools/list").body,
            ]

    assert told("de") == told("en")
