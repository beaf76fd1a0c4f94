"""The objects that a caller leads relations to, found by their keys.

Only what the caller may see there, and what the relation may lead to, is found. What is hidden from
them is missing, word for word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist, ValidationError
from django.db import DataError, models

from ...protocol.problems import shown
from ...server.errors import InvalidArguments
from .rows import MANY
from .scope import Scope
from .selection import Exposed

#: What a natural key is answered with that is none: of the wrong length, of the wrong types.
_NO_KEY: Final = (
    ObjectDoesNotExist,
    MultipleObjectsReturned,
    ValidationError,
    TypeError,
    ValueError,
    OverflowError,
)


class References:
    """What relations of one object may be led to, in one call. `tool` is who is called."""

    def __init__(self, scope: Scope, using: str, tool: str) -> None:
        self._scope, self._using, self._tool = scope, using, tool

    def find(self, member: Exposed, keys: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """The objects with these keys, each once, and a line for each key that leads nowhere."""
        lines: list[str] = []
        found: dict[Any, Any] = {}
        try:
            known = [self._key(member, key) for key in keys]
            objects = self._objects(member, [key for key in known if key is not None])
        except DataError as error:
            # What follows in this transaction is refused by the database, so all of it ends here.
            raise InvalidArguments(self._tool, [_missing(member, 0, keys)]) from error
        for index, key in enumerate(known):
            obj = objects.get(key)
            if obj is None:
                lines.append(_missing(member, index, keys))
            else:
                found[obj.pk] = obj
        return list(found.values()), lines

    def hides(self, member: Exposed, obj: Any) -> bool:
        """True where the relation leads to an object that the caller does not see."""
        value = getattr(obj, member.field.attname)
        return value is not None and not self._objects(member, [value], chosen=False)

    def replace(self, member: Exposed, obj: Any, chosen: Iterable[Any]) -> bool:
        """Lead a relation to `chosen`, and to what the caller does not see of the objects it led
        to before; false where that changed nothing.

        Raises InvalidArguments where there are more than can have been shown.
        """
        manager = getattr(obj, member.name)
        pks = manager.order_by("pk").values_list("pk", flat=True)
        current = [member.kind.plainly(key) for key in pks]
        seen = self._objects(member, current, chosen=False)
        if len(seen) > MANY:
            line = f"{member.name}: has more than {MANY} objects, which cannot be replaced at once"
            raise InvalidArguments(self._tool, [line])
        wanted = {self._key_of(member, each) for each in chosen}
        if wanted == set(seen):
            return False
        manager.set([*wanted, *(key for key in current if key not in seen)])
        return True

    def _objects(
        self, member: Exposed, keys: Sequence[Any], *, chosen: bool = True
    ) -> dict[Any, Any]:
        """The visible objects with these keys, by key. Those that are `chosen` are also such as
        the relation may lead to."""
        queryset = self._scope.related(member, keys)
        if chosen:
            queryset = queryset.complex_filter(member.field.get_limit_choices_to())
        try:
            objects = [each for each in queryset if self._scope.may_view(each)]
        except (ValueError, OverflowError):  # a key no column holds
            objects = []
        return {self._key_of(member, each): each for each in objects}

    def _key(self, member: Exposed, given: Any) -> Any:
        """The key that was given, or that of the object with the natural key that was."""
        if not isinstance(given, list):
            return given if _storable(given) else None
        manager: Any = member.related._default_manager.db_manager(self._using)
        try:
            return self._key_of(member, manager.get_by_natural_key(*given))
        except _NO_KEY:
            return None

    @staticmethod
    def _key_of(member: Exposed, obj: models.Model) -> Any:
        key = obj.pk if member.many else getattr(obj, member.field.target_field.attname)
        return member.kind.plainly(key)


def _storable(key: Any) -> bool:
    """Whether some database takes it, so that all can be asked for the others beside it."""
    if isinstance(key, int):
        return -(2**63) <= key < 2**63
    return not (isinstance(key, str) and "\0" in key)


def _missing(member: Exposed, index: int, keys: Sequence[Any]) -> str:
    place = f"{member.name}[{index}]" if member.many else member.name
    what = member.related._meta.verbose_name
    return f"{place}: there is no {what} {shown(keys[index])} to choose"
