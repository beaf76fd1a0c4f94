"""Whom the subject of an identity provider is here: linked, found by an address, or new.

The numbers are those of the table in tests/oauth/README.md.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection, connections
from django.test import Client as Browser

from django_mcp.oauth.linking import link, unlink
from django_mcp.oauth.models import ExternalIdentity
from tests.oauth.conftest import Door, SessionClient
from tests.oauth.identity_provider import IdentityProvider, identity_provider
from tests.oauth.people import Person
from tests.oauth.test_tokens import refused

User = get_user_model()
ADMIN = "/admin/django_mcp_oauth/externalidentity"


class Caller:
    """Somebody with tokens of the provider."""

    def __init__(self, door: Door) -> None:
        self._call = async_to_sync(door.calling)

    def is_refused(self, token: str) -> None:
        refused(self._call(token, "hello"))

    def is_called(self, token: str) -> str:
        """The username that a token stands for."""
        text: str = self._call(token, "hello").result["structuredContent"]
        return text.split(" ")[0]


@pytest.fixture
def caller(door: Door) -> Caller:
    return Caller(door)


def verified(email: str, **more: Any) -> dict[str, Any]:
    return {"email": email, "email_verified": True, **more}


# By hand


def test_nobody_comes_in_who_is_not_linked(
    caller: Caller, idp: IdentityProvider, anna: Person, trusting: Any
) -> None:
    trusting()
    User.objects.filter(pk=anna.user.pk).update(email="anna@example.com")

    caller.is_refused(idp.token(**verified("anna@example.com", preferred_username="anna")))
    assert not ExternalIdentity.objects.exists()
    link(idp.issuer, "f3c1", anna.user)
    assert caller.is_called(idp.token()) == "anna"


def test_who_is_unlinked_is_out_at_once_and_stays_out(
    caller: Caller, idp: IdentityProvider, anna: Person, trusting: Any
) -> None:
    trusting(CREATE_USERS=True, MATCH_EMAIL=True)
    User.objects.filter(pk=anna.user.pk).update(email="anna@example.com")
    token = idp.token(**verified("anna@example.com"))
    assert caller.is_called(token) == "anna"

    unlink(ExternalIdentity.objects.all())
    caller.is_refused(token)
    assert User.objects.count() == 1
    link(idp.issuer, "f3c1", anna.user)
    assert caller.is_called(token) == "anna"


def test_who_is_deactivated_is_out_at_once(
    caller: Caller, idp: IdentityProvider, anna: Person, trusting: Any
) -> None:
    trusting(CREATE_USERS=True, MATCH_EMAIL=True)
    link(idp.issuer, "f3c1", anna.user)
    assert caller.is_called(idp.token()) == "anna"

    anna.user.is_active = False
    anna.user.save()
    caller.is_refused(idp.token())


def test_a_user_who_is_gone_takes_the_identity_along(
    caller: Caller, idp: IdentityProvider, anna: Person, trusting: Any
) -> None:
    trusting()
    link(idp.issuer, "f3c1", anna.user)
    anna.user.delete()

    caller.is_refused(idp.token())


def test_a_session_is_not_that_of_whom_the_identity_is_linked_to_next(
    door: Door, caller: Caller, idp: IdentityProvider, anna: Person, ben: Person, trusting: Any
) -> None:
    trusting()
    link(idp.issuer, "f3c1", anna.user)
    client = SessionClient(door, idp.token())
    async_to_sync(client.initialize)()
    link(idp.issuer, "f3c1", ben.user)

    assert async_to_sync(client.request)("tools/list").status == 404


# 93


def test_the_same_subject_of_two_providers_is_two_users(
    caller: Caller, idp: IdentityProvider, anna: Person, ben: Person, settings: Any, trusting: Any
) -> None:
    trusting()
    with identity_provider() as second:
        providers = {idp.issuer: {}, second.issuer: {}}
        settings.DJANGO_MCP_OAUTH = {**settings.DJANGO_MCP_OAUTH, "IDENTITY_PROVIDERS": providers}
        link(idp.issuer, "f3c1", anna.user)

        caller.is_refused(second.token("rsa"))
        link(second.issuer, "f3c1", ben.user)
        assert caller.is_called(idp.token()) == "anna"
        assert caller.is_called(second.token()) == "ben"


def test_the_same_subject_of_two_providers_becomes_two_users(
    caller: Caller, idp: IdentityProvider, settings: Any, trusting: Any
) -> None:
    trusting()
    with identity_provider() as second:
        making = {"CREATE_USERS": True}
        providers = {idp.issuer: making, second.issuer: making}
        settings.DJANGO_MCP_OAUTH = {**settings.DJANGO_MCP_OAUTH, "IDENTITY_PROVIDERS": providers}

        names = {caller.is_called(each.token()) for each in (idp, second)}
        assert len(names) == User.objects.count() == 2


@pytest.mark.parametrize("subject", ["anna", "F3C1", "f3c1 ", "f3\u00e7"])
def test_a_subject_is_taken_letter_by_letter(
    caller: Caller, idp: IdentityProvider, anna: Person, trusting: Any, subject: str
) -> None:
    trusting()
    link(idp.issuer, "f3c1", anna.user)

    caller.is_refused(idp.token(sub=subject, preferred_username="anna", username="anna"))
    assert caller.is_called(idp.token()) == "anna"


def test_a_username_links_nobody(
    caller: Caller, idp: IdentityProvider, anna: Person, trusting: Any
) -> None:
    trusting(CREATE_USERS=True, MATCH_EMAIL=True)
    claims = {"preferred_username": "anna", "username": "anna", "name": "anna", "upn": "anna"}

    assert caller.is_called(idp.token(sub="anna", **claims)) != "anna"


def test_a_username_that_is_taken_links_nobody_either(
    caller: Caller, idp: IdentityProvider, trusting: Any, caplog: Any
) -> None:
    """Not even that of a user who would be made."""
    trusting(CREATE_USERS=True)
    digest = ExternalIdentity.digest_of(idp.issuer, "f3c1")
    User.objects.create_user(f"external-{digest[:32]}")

    caller.is_refused(idp.token())
    assert not ExternalIdentity.objects.exists()
    assert "Link one by hand" in caplog.text


# As somebody new


def test_a_user_is_made_once_with_a_name_nobody_chose(
    caller: Caller, idp: IdentityProvider, trusting: Any
) -> None:
    trusting(CREATE_USERS=True)
    claims = verified("new@example.com", preferred_username="admin", is_staff=True, groups=["a"])
    name = caller.is_called(idp.token(**claims))

    assert caller.is_called(idp.token()) == name
    made = User.objects.get()
    assert re.fullmatch(r"external-[0-9a-f]{32}", name)
    assert (made.email, made.is_staff, made.is_superuser) == ("new@example.com", False, False)
    assert not made.has_usable_password()
    assert not made.user_permissions.exists()


@pytest.mark.parametrize(
    "claims",
    [{"email": "anna@example.com"}, verified("ANNA@example.com"), verified("anna@b@c")],
    ids=["not verified", "another's", "none"],
)
def test_an_address_that_is_not_theirs_is_not_given_to_who_is_new(
    caller: Caller, idp: IdentityProvider, anna: Person, trusting: Any, claims: Any
) -> None:
    trusting(CREATE_USERS=True)
    User.objects.filter(pk=anna.user.pk).update(email="anna@example.com")
    name = caller.is_called(idp.token(**claims))

    assert User.objects.get(username=name).email == ""


def test_no_user_is_made_for_a_program(
    caller: Caller, idp: IdentityProvider, trusting: Any
) -> None:
    trusting(CREATE_USERS=True)

    caller.is_refused(idp.token(sub="editor", client_id="editor"))
    assert not User.objects.exists()


def from_claims(issuer: str, claims: Mapping[str, Any]) -> Any:
    """A project's own way to make a user."""
    match claims["name"]:
        case "nobody":
            return None
        case "broken":
            raise RuntimeError("secret")
    return User.objects.create_user(f"own-{claims['name']}")


def test_a_project_can_make_users_itself(
    caller: Caller, idp: IdentityProvider, trusting: Any
) -> None:
    trusting(CREATE_USERS=f"{__name__}.from_claims")

    assert caller.is_called(idp.token(name="carla")) == "own-carla"
    caller.is_refused(idp.token(sub="1", name="nobody"))
    caller.is_refused(idp.token(sub="2", name="broken"))
    caller.is_refused(idp.token(sub="3", name="carla"))
    assert ExternalIdentity.objects.count() == User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_come_at_once_one_has_a_user_made(
    door: Door, idp: IdentityProvider, trusting: Any, transactional_db: None
) -> None:
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("SQLite in memory has tables that are locked at once, and no waiting.")
    trusting(CREATE_USERS=True)
    token = idp.token()
    ready = threading.Barrier(12)
    names: list[str] = []

    def call() -> None:
        ready.wait(30)
        try:
            names.append(Caller(door).is_called(token))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(names) == 12
    assert len(set(names)) == User.objects.count() == ExternalIdentity.objects.count() == 1


# By an address


@pytest.fixture
def with_address(anna: Person) -> Person:
    User.objects.filter(pk=anna.user.pk).update(email="Anna@example.com")
    return anna


def test_a_verified_address_links_where_the_setting_says_so(
    caller: Caller, idp: IdentityProvider, with_address: Person, trusting: Any
) -> None:
    trusting()
    caller.is_refused(idp.token(**verified("anna@example.com")))
    trusting(MATCH_EMAIL=True)
    assert caller.is_called(idp.token(**verified("anna@example.com"))) == "anna"
    # From then on it is the subject that counts.
    assert caller.is_called(idp.token(**verified("other@example.com"))) == "anna"


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "anna@example.com"},
        {"email": "anna@example.com", "email_verified": False},
        {"email": "anna@example.com", "email_verified": "true"},
        {"email": "anna@example.com", "email_verified": 1},
        {"email_verified": True},
        verified("annа@example.com"),  # noqa: RUF001
        verified("anna@exa\u212aple.com"),
        verified("ann\u00e1@example.com"),
        verified(" anna@example.com"),
        verified("anna@example.com "),
        verified("%@example.com"),
        verified("anna@example.com\x00"),
        {"email": ["anna@example.com"], "email_verified": True},
        {"sub": "editor", "client_id": "editor", **verified("anna@example.com")},
    ],
    ids=ascii,
)
def test_any_other_address_links_nobody(
    caller: Caller, idp: IdentityProvider, with_address: Person, trusting: Any, claims: Any
) -> None:
    trusting(MATCH_EMAIL=True)

    caller.is_refused(idp.token(**claims))
    assert not ExternalIdentity.objects.exists()


def test_an_address_that_two_users_have_links_neither(
    caller: Caller, idp: IdentityProvider, with_address: Person, ben: Person, trusting: Any
) -> None:
    trusting(MATCH_EMAIL=True)
    User.objects.filter(pk=ben.user.pk).update(email="anna@EXAMPLE.com")

    caller.is_refused(idp.token(**verified("anna@example.com")))


@pytest.mark.parametrize("field", ["is_superuser", "is_active"])
def test_superusers_and_who_is_not_active_are_linked_by_hand_alone(
    caller: Caller, idp: IdentityProvider, with_address: Person, trusting: Any, field: str
) -> None:
    trusting(MATCH_EMAIL=True, CREATE_USERS=True)
    User.objects.update(**{field: field == "is_superuser"})

    caller.is_refused(idp.token(**verified("anna@example.com")))
    assert not ExternalIdentity.objects.exists()
    assert User.objects.count() == 1, "nor do they come back as somebody new"


def test_an_address_that_was_given_to_somebody_else_does_not_come_with_the_account(
    caller: Caller, idp: IdentityProvider, with_address: Person, trusting: Any
) -> None:
    trusting(MATCH_EMAIL=True)
    assert caller.is_called(idp.token(**verified("anna@example.com"))) == "anna"

    caller.is_refused(idp.token(sub="the next anna", **verified("anna@example.com")))


# In the admin


@pytest.fixture
def staff(door: Door, settings: Any, trusting: Any) -> Browser:
    """A member of the staff who may see identities, and change nothing."""
    trusting()
    settings.ROOT_URLCONF = "tests.oauth.admin_urls"
    person = Person("stella")
    person.user.is_staff = True
    person.user.save()
    person.user.user_permissions.add(Permission.objects.get(codename="view_externalidentity"))
    browser = Browser()
    browser.force_login(person.user)
    return browser


def may(*verbs: str) -> None:
    """Let stella do more."""
    codenames = [f"{verb}_externalidentity" for verb in verbs]
    stella = User.objects.get(username="stella")
    stella.user_permissions.add(*Permission.objects.filter(codename__in=codenames))


def test_identities_are_listed_and_searched(
    staff: Browser, idp: IdentityProvider, anna: Person, ben: Person
) -> None:
    link(idp.issuer, "f3c1", anna.user)
    link(idp.issuer, "a7b2", ben.user)

    for words, found in (("f3c1", "f3c1"), ("ben", "a7b2")):
        page = staff.get(f"{ADMIN}/", {"q": words}).content.decode()
        assert "1 external identity" in page
        assert found in page
    assert staff.get(f"{ADMIN}/add/").status_code == 403


def test_one_is_unlinked(
    caller: Caller, staff: Browser, idp: IdentityProvider, anna: Person
) -> None:
    row = link(idp.issuer, "f3c1", anna.user)
    form = {"action": "unlink", "_selected_action": [row.pk]}
    staff.post(f"{ADMIN}/", form)
    assert caller.is_called(idp.token()) == "anna"

    may("change")
    staff.post(f"{ADMIN}/", form)
    caller.is_refused(idp.token())


def test_one_is_linked_to_an_issuer_of_the_settings(
    caller: Caller, staff: Browser, idp: IdentityProvider, anna: Person
) -> None:
    may("add", "change")
    form = {"issuer": idp.issuer, "subject": "f3c1", "user": anna.user.pk}

    other = staff.post(f"{ADMIN}/add/", {**form, "issuer": f"{idp.issuer}/"})
    assert "not one of the available choices" in other.content.decode()
    assert staff.post(f"{ADMIN}/add/", form).status_code == 302
    assert caller.is_called(idp.token()) == "anna"
    again = staff.post(f"{ADMIN}/add/", form)
    assert "is there already" in again.content.decode()


def test_a_subject_stays_what_it_is(
    staff: Browser, idp: IdentityProvider, anna: Person, ben: Person
) -> None:
    may("change")
    row = link(idp.issuer, "f3c1", anna.user)
    staff.post(f"{ADMIN}/{row.pk}/change/", {"subject": "other", "user": ben.user.pk})

    row.refresh_from_db()
    assert (row.subject, row.user) == ("f3c1", ben.user)
