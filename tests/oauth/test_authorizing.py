"""The authorization endpoint: what it asks the user, and what it never does."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.core.handlers.asgi import ASGIHandler
from oauth2_provider.models import get_application_model, get_grant_model

from django_mcp import MCPServer
from django_mcp.oauth.authentication import bearer
from django_mcp.oauth.models import Client, Connection
from django_mcp.routing import MCPRouter, mount
from tests.oauth.conftest import Door, server_named
from tests.oauth.people import CALLBACK, HOST, ISSUER, MCP, Person, Program, parameters_of


@pytest.fixture
def known(program: Program) -> Program:
    """A program that has registered."""
    return program.register()


def shown_here(response: Any) -> None:
    """The user is told that it cannot be, and the browser goes nowhere."""
    assert response.status_code == 400
    assert "Location" not in response
    assert "cannot be authorized" in response.content.decode()


def told(response: Any, error: str) -> None:
    """The program is told of an error, with its state and by this issuer."""
    assert response.status_code in (302, 303), response.content
    said = parameters_of(response)
    assert (said["error"], said["iss"], said.get("state")) == (error, ISSUER, "a state"), said
    assert response["Location"].startswith(CALLBACK)


# 29-33


@pytest.mark.parametrize("id", ["unknown", "", "a\x00b", "x" * 10_000])
def test_a_client_nobody_knows_leads_nowhere(anna: Person, known: Program, id: str) -> None:
    shown_here(anna.open(known.request(client_id=id)))


def test_an_application_of_the_projects_own_is_no_client_here(anna: Person, known: Program) -> None:
    application = get_application_model().objects.create(
        client_type="public",
        authorization_grant_type="authorization-code",
        redirect_uris=CALLBACK,
        skip_authorization=True,
    )

    shown_here(anna.open(known.request(client_id=application.client_id)))


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/cb",
        CALLBACK + "?more=1",
        CALLBACK + "/more",
        CALLBACK + ";params",
        CALLBACK + "#fragment",
        "http://user@127.0.0.1:5000/callback",
        "http://127.0.0.1:5000/Callback",
        "http://127.0.0.1:5000/x/../callback",
        "http://127.0.0.1:5000\\@evil.example/callback",
        "http://localhost:5000/callback",
        "https://127.0.0.1:5000/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://localhost.evil.example/callback",
        "http://[::ffff:127.0.0.1]/callback",
        "http://0.0.0.0/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example/callback",
        "\\\\evil.example",
        "",
    ],
)
def test_an_answer_goes_to_no_address_but_the_clients_own(
    anna: Person, known: Program, uri: str
) -> None:
    shown_here(anna.open(known.request(redirect_uri=uri)))


def test_the_port_of_this_computer_may_be_another_each_time(anna: Person, known: Program) -> None:
    known.redirect_uri = "http://127.0.0.1:49152/callback"

    response = anna.answer(anna.open(known.request()))

    assert response["Location"].startswith("http://127.0.0.1:49152/callback?code=")
    assert known.redeem(parameters_of(response)["code"]).status_code == 200


def test_the_port_of_a_site_may_not(anna: Person) -> None:
    site = Program("https://site.example/cb").register()

    shown_here(anna.open(site.request(redirect_uri="https://site.example:8443/cb")))
    assert anna.open(site.request()).status_code == 200


# 34


@pytest.mark.parametrize(
    "name", ["client_id", "redirect_uri", "scope", "state", "code_challenge", "response_type"]
)
def test_a_parameter_that_is_there_twice_leads_nowhere(
    anna: Person, known: Program, name: str
) -> None:
    query = known.request()

    shown_here(anna.open({**query, name: [query[name], query[name]]}))


# 35


def test_somebody_who_is_not_logged_in_logs_in_and_comes_back(known: Program) -> None:
    stranger = Person("carl", logged_in=False)
    response = stranger.open(known.request(redirect_uri="https://evil.example/cb"))

    assert response["Location"].startswith("/accounts/login/?next=/oauth/authorize")
    assert urlsplit(parse_qs(urlsplit(response["Location"]).query)["next"][0]).netloc == ""


@pytest.mark.parametrize("logged_in", [True, False])
def test_without_a_page_nothing_is_allowed(known: Program, logged_in: bool) -> None:
    person = Person("carl", logged_in=logged_in)

    told(
        person.open(known.request(prompt="none")),
        "consent_required" if logged_in else "login_required",
    )
    shown_here(person.open(known.request(prompt="none", redirect_uri="https://evil.example/")))


def test_a_login_that_is_asked_for_anew_comes_before_the_page(anna: Person, known: Program) -> None:
    response = anna.open(known.request(prompt="login"))

    assert response["Location"].startswith("/accounts/login/")
    assert "prompt%3D%26" in response["Location"] or "prompt%3Dlogin" not in response["Location"]


# 36-38


@pytest.mark.parametrize(
    "changed",
    [{}, {"redirect_uri": "http://127.0.0.1:6666/callback"}, {"prompt": "consent"}],
    ids=["same", "other port", "prompt"],
)
def test_the_user_is_asked_each_time(
    anna: Person, program: Program, tokens: Any, changed: Any
) -> None:
    get_application_model().objects.update(skip_authorization=True)
    response = anna.open(program.request(approval_prompt="auto", **changed))

    assert response.status_code == 200
    assert "Allow" in response.content.decode()


# 39, 40, 41


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "a" * 42},
        {"code_challenge": "a" * 44},
        {"code_challenge": "a" * 5000},
        {"code_challenge": "a" * 42 + "="},
        {"response_mode": "form_post"},
        {"response_mode": "fragment"},
    ],
    ids=str,
)
def test_what_is_not_safe_is_refused_before_anybody_is_asked(
    anna: Person, known: Program, changed: Any
) -> None:
    told(anna.open(known.request(**changed)), "invalid_request")


@pytest.mark.parametrize("kind", ["token", "id_token", "code token", "code id_token", "none", None])
def test_codes_are_the_only_answer_there_is(anna: Person, known: Program, kind: Any) -> None:
    told(anna.open(known.request(response_type=kind)), "unsupported_response_type")


def test_a_request_by_reference_is_refused_and_not_fetched(anna: Person, known: Program) -> None:
    told(
        anna.open(known.request(request_uri="http://169.254.169.254/")),
        "request_uri_not_supported",
    )
    told(anna.open(known.request(request="e30.e30.")), "request_not_supported")


# 42


@pytest.mark.parametrize(
    "resource",
    [
        "https://elsewhere.example/mcp",
        f"{HOST}/nothing",
        f"{HOST}/",
        HOST,
        f"{MCP}#fragment",
        f"{MCP}?query",
        "http://user@testserver/mcp",
        "/mcp",
        "urn:mcp",
        "",
        [MCP, f"{HOST}/mcp"],
        "http://testserver/x/../mcp",
        "http://testserver/%2fmcp",
        "http://testserver/mcp" + "p" * 5000,
    ],
    ids=str,
)
def test_a_token_is_for_an_endpoint_of_this_host_or_for_none(
    anna: Person, known: Program, resource: Any
) -> None:
    told(anna.open(known.request(resource=resource)), "invalid_target")


def test_the_only_endpoint_need_not_be_named(anna: Person, program: Program) -> None:
    program.connect(anna, resource=None)

    assert Connection.objects.get().resource == MCP


def test_where_there_are_two_one_has_to_be_named(
    server: MCPServer, anna: Person, known: Program
) -> None:
    router = MCPRouter([mount("mcp-b", server_named("other"), authenticate=bearer)], ASGIHandler())

    told(anna.open(known.request(resource=None)), "invalid_target")
    assert anna.open(known.request()).status_code == 200
    del router


def test_of_several_the_one_for_streamable_http_is_meant_where_none_is_named(
    server: MCPServer, anna: Person, known: Program
) -> None:
    further = [
        mount("sse", server, transport="sse", authenticate=bearer),
        mount("ws", server, transport="websocket", authenticate=bearer),
    ]
    router = MCPRouter(further, ASGIHandler())

    known.connect(anna, resource=None)
    document = anna.browser.get("/.well-known/oauth-protected-resource").json()

    assert Connection.objects.get().resource == MCP
    assert document["resource"] == MCP
    del router


@pytest.mark.parametrize(
    "written", ["http://TESTSERVER/mcp", "http://testserver:80/mcp", "http://testserver/mcp/"]
)
def test_the_same_endpoint_may_be_written_in_another_way(
    door: Door, anna: Person, program: Program, written: str
) -> None:
    tokens = program.connect(anna, resource=written)

    assert async_to_sync(door.calling)(tokens["access_token"], "look").status == 200


# 43


def test_a_scope_nobody_knows_is_refused(anna: Person, known: Program) -> None:
    told(anna.open(known.request(scope="mcp:read mcp:everything")), "invalid_scope")


def test_who_asks_for_no_scope_is_given_the_first_ones(anna: Person, program: Program) -> None:
    assert program.connect(anna, scope=None)["scope"] == "mcp:read"


def test_access_while_the_user_is_away_is_no_scope(anna: Person, program: Program) -> None:
    tokens = program.connect(anna, scope="mcp:read offline_access")

    assert tokens["scope"] == "mcp:read"
    assert "refresh_token" in tokens


def test_the_user_may_leave_scopes_out(anna: Person, known: Program) -> None:
    said = anna.allow(known.request(scope="mcp:read mcp:write desk:lend"), scopes=["desk:lend"])
    tokens = known.redeem(said["code"]).json()

    # What is asked for at first cannot be left out.
    assert tokens["scope"] == "mcp:read desk:lend"


def test_a_box_that_was_not_there_is_not_ticked(anna: Person, known: Program) -> None:
    page = anna.open(known.request(scope="mcp:read"))
    said = parameters_of(anna.answer(page, scopes=["mcp:read", "mcp:write", "desk:lend"]))

    assert known.redeem(said["code"]).json()["scope"] == "mcp:read"


# 44-46


def test_nobody_else_can_press_the_button(anna: Person, known: Program) -> None:
    page = anna.open(known.request())

    assert anna.answer(page, csrfmiddlewaretoken="x" * 64).status_code == 403
    assert not get_grant_model().objects.exists()


def test_what_was_shown_is_what_is_granted(anna: Person, known: Program) -> None:
    page = anna.open(known.request(scope="mcp:read"))
    response = anna.answer(
        page,
        redirect_uri="https://evil.example/",
        state="another",
        resource="https://evil.example/",
        code_challenge="x" * 43,
    )
    grant = get_grant_model().objects.get()

    assert parameters_of(response)["state"] == "a state"
    assert response["Location"].startswith(CALLBACK)
    assert (grant.scope, grant.resource, grant.code_challenge) == (
        "mcp:read",
        [MCP],
        known.challenge,
    )


def test_a_seal_that_was_broken_grants_nothing(anna: Person, known: Program) -> None:
    page = anna.open(known.request())

    shown_here(anna.answer(page, request="a:b:c"))
    shown_here(anna.answer(page, request=signing.dumps({"for": []}, salt="other")))


def test_a_page_is_for_who_it_was_shown_to(anna: Person, ben: Person, known: Program) -> None:
    page = anna.open(known.request())
    text = page.content.decode()
    sealed = re.search(r'name="request" value="([^"]+)"', text)
    assert sealed is not None
    shown_here(ben.answer(ben.open(known.request()), request=sealed[1]))

    anna.browser.logout()
    anna.browser.force_login(anna.user)
    shown_here(anna.answer(anna.open(known.request()), request=sealed[1]))
    assert not get_grant_model().objects.exists()


def test_a_page_that_is_ten_minutes_old_grants_nothing(
    anna: Person, known: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = anna.open(known.request())
    monkeypatch.setattr("django_mcp.oauth.consent.SHOWN_FOR", -1)

    shown_here(anna.answer(page))


def test_a_client_that_is_blocked_meanwhile_is_given_nothing(anna: Person, known: Program) -> None:
    page = anna.open(known.request())
    Client.objects.update(status=Client.Status.BLOCKED)

    shown_here(anna.answer(page))
    shown_here(anna.open(known.request()))


# 47


def test_the_page_can_be_neither_framed_nor_kept_nor_made_to_run_anything(
    anna: Person, known: Program
) -> None:
    page = anna.open(known.request())
    policy = page["Content-Security-Policy"]

    assert page["X-Frame-Options"] == "DENY"
    assert page["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://127.0.0.1:5000;" in policy
    assert "<script" not in page.content.decode()


# 48, 51, and what the page has to say


def test_a_name_is_text_whatever_it_is(anna: Person) -> None:
    name = "<b>Bank</b>\u202eevil" + "x" * 10_000
    page = anna.open(Program().register(client_name=name).request()).content.decode()

    assert "&lt;b&gt;Bank&lt;/b&gt;evil" in page
    assert "\u202e" not in page
    assert "x" * 101 not in page


def test_the_page_says_who_wants_what_where_and_for_whom(anna: Person, known: Program) -> None:
    page = anna.open(known.request()).content.decode()

    for said in [
        "A Program",
        "The Desk",
        MCP,
        "anna",
        "127.0.0.1:5000",
        "on this computer",
        "has registered itself",
        "See what you can see",
        "Change things in your name",
        "not allowed this program anything here so far",
    ]:
        assert said in page, said
    assert page.index('value="deny"') < page.index('value="allow"')


def test_the_page_of_a_site_does_not_speak_of_this_computer(anna: Person) -> None:
    page = anna.open(Program("https://site.example/cb").register().request()).content.decode()

    assert "site.example" in page
    assert "on this computer" not in page


def test_scopes_that_are_new_are_marked(anna: Person, program: Program) -> None:
    program.connect(anna, scope="mcp:read")
    page = anna.open(program.request()).content.decode()

    assert page.count("<strong>(new)</strong>") == 1


def test_the_page_speaks_the_users_language(anna: Person, known: Program, settings: Any) -> None:
    page = anna.browser.get("/oauth/authorize", known.request(), headers={"accept-language": "de"})

    assert page.status_code == 200
    assert '<html lang="' in page.content.decode()


# 49, 50


def test_a_user_who_says_no_is_believed(anna: Person, known: Program) -> None:
    response = anna.answer(anna.open(known.request()), "deny")

    told(response, "access_denied")
    assert response.status_code == 303
    assert not Connection.objects.exists()


def test_the_issuer_is_the_same_everywhere(anna: Person, known: Program, client: Any) -> None:
    metadata = client.get("/.well-known/oauth-authorization-server/oauth").json()
    answers = [
        anna.answer(anna.open(known.request())),
        anna.answer(anna.open(known.request()), "deny"),
        anna.open(known.request(scope="none such")),
    ]

    assert {parameters_of(answer)["iss"] for answer in answers} == {metadata["issuer"]}
    assert metadata["authorization_response_iss_parameter_supported"] is True


def test_an_issuer_that_was_set_is_used_letter_by_letter(
    anna: Person, known: Program, client: Any, settings: Any
) -> None:
    settings.DJANGO_MCP_OAUTH = {"ISSUER": "https://auth.example/oauth"}
    metadata = client.get("/.well-known/oauth-authorization-server/oauth").json()

    assert metadata["issuer"] == "https://auth.example/oauth"
    assert metadata["token_endpoint"] == "https://auth.example/oauth/token"
    said = parameters_of(anna.answer(anna.open(known.request()), "deny"))
    assert said["iss"] == "https://auth.example/oauth"


def test_other_methods_are_not_served(anna: Person) -> None:
    assert anna.browser.put("/oauth/authorize").status_code in (403, 405)
    assert anna.browser.head("/oauth/authorize").status_code == 405
