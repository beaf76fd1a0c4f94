"""An API of Django Ninja."""

from __future__ import annotations

from typing import Any

from ninja import File, Form, Header, NinjaAPI, Query, Router, Schema, UploadedFile
from ninja.errors import HttpError
from ninja.security import HttpBearer, django_auth

api = NinjaAPI(urls_namespace="ninja")
router = Router()


class Part(Schema):
    name: str
    weight: float = 1.0


class ThingIn(Schema):
    title: str
    parts: list[Part] = []  # noqa: RUF012 - a model's


class ThingOut(Schema):
    id: int
    title: str
    parts: list[Part]


class Paging(Schema):
    limit: int = 10
    tags: list[str] = []  # noqa: RUF012 - a model's


class Tokens(HttpBearer):
    def authenticate(self, request: Any, token: str) -> str | None:
        return token if token == "good" else None


@router.get("/things/{thing_id}", response=ThingOut)
def get_thing(request: Any, thing_id: int, loud: bool = False) -> Any:
    """Get a thing.

    Args:
        thing_id: Which one.
    """
    if thing_id == 404:
        raise HttpError(404, "There is no such thing.")
    if thing_id == 500:
        raise RuntimeError("hush-hush")
    title = f"thing {thing_id}"
    return {"id": thing_id, "title": title.upper() if loud else title, "parts": []}


@router.get("/things", response=list[ThingOut])
def list_things(request: Any, paging: Query[Paging]) -> Any:
    """List things."""
    words = ",".join(paging.tags)
    return [{"id": n, "title": words, "parts": []} for n in range(paging.limit)]


@router.post("/things", response={200: ThingOut, 409: Part})
def make_thing(request: Any, thing: ThingIn) -> Any:
    """Make a thing."""
    return {"id": 1, **thing.dict()}


@router.put("/things/{thing_id}")
def move_thing(request: Any, thing_id: int, body: list[Part], to: Part | None = None) -> Any:
    """Change the parts of a thing."""
    return {"id": thing_id, "parts": len(body), "to": to.name if to else None}


@router.post("/forms")
def fill(request: Any, name: Form[str], part: Part, size: Form[int] = 1) -> Any:
    """Fill in a form that has a body beside it."""
    return {"name": name, "size": size, "part": part.name}


@router.get("/members", auth=django_auth)
def for_members(request: Any) -> Any:
    """For those who are known."""
    return {"user": request.user.username, "auth": str(request.auth)}


@router.get("/tokens", auth=Tokens())
def for_tokens(request: Any) -> Any:
    """For those who have a token of the API's own."""
    return {"auth": request.auth}


@router.get("/async")
async def on_the_loop(request: Any, q: str) -> Any:
    """Answer on the loop."""
    return {"q": q}


@router.get("/header")
def needs_header(request: Any, x_team: Header[str]) -> Any:
    """Needs a header."""
    return {"team": x_team}


@router.post("/upload")
def needs_file(request: Any, file: UploadedFile = File(...)) -> Any:  # noqa: B008 - Ninja's way
    """Needs a file."""
    return {"size": file.size}


api.add_router("", router)
