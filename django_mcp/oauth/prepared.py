"""A query that every request asks: written once, and each of its rows read once.

For a join of four tables the ORM takes more than a millisecond to write the statement and to make
objects of a row; to ask takes a twentieth of that, and less where several are asked for together.
The database is asked every time all the same: what is remembered is the statement, and what a row
was read as, which counts for that row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from django.db import connections, router
from django.db.models import Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.query import ModelIterable

T = TypeVar("T")

#: Rows that are remembered with what they were read as.
_MOST: Final = 2_048


class Prepared(Generic[T]):
    """The rows that `query` finds for some texts, as the values that `read` makes of its objects.

    `query` is called with texts, one of which a column has to be equal to; its rows are of `model`.
    A value is handed out again for a row that is the same: whoever has it must not change it.
    """

    def __init__(
        self,
        model: type[Model],
        query: Callable[[Sequence[str]], QuerySet[Any]],
        read: Callable[[Any], T],
    ) -> None:
        self._model = model
        self._query = query
        self._read = read
        self._statements: dict[tuple[str, str, int], _Statement] = {}
        self._seen: dict[Any, T] = {}

    def ask(self, texts: Collection[str]) -> list[T]:
        """The values for `texts`, in no order. One statement, or none for no text. For a thread."""
        if not texts:
            return []
        using = router.db_for_read(self._model)
        connection = connections[using]
        # Few statements, for 1, 2, 4, … texts: the last one is asked for again to fill them up.
        asked = list(texts)
        number = 1 << (len(asked) - 1).bit_length()
        asked += asked[-1:] * (number - len(asked))
        key = (using, connection.vendor, number)
        statement = self._statements.get(key)
        if statement is None:
            statement = self._statements[key] = _written(self._query, using, number)
        with connection.cursor() as cursor:
            cursor.execute(statement.text, statement.parameters(asked))
            rows = cursor.fetchall()
        return [self._value_of(row) for row in rows]

    def _value_of(self, row: Sequence[Any]) -> T:
        try:
            seen = self._seen.get(row)
        except TypeError:
            # A driver that has made more of a column than a text.
            return self._read(_object_of(self._query([""]), row))
        if seen is None:
            seen = self._read(_object_of(self._query([""]), row))
            if len(self._seen) >= _MOST:
                self._seen = {}
            self._seen[row] = seen
        return seen


class _Statement(NamedTuple):
    """Its text, with a name for each parameter; the parameters that are always the same, and the
    names of the others, in the order of the texts.

    With names the text is made by one `%`. Places without, Django looks for with a regular
    expression on SQLite, which takes longer than the query.
    """

    text: str
    fixed: Mapping[str, Any]
    names: Sequence[str]

    def parameters(self, texts: Sequence[str]) -> dict[str, Any]:
        return {**self.fixed, **dict(zip(self.names, texts, strict=True))}


def _written(
    query: Callable[[Sequence[str]], QuerySet[Any]], using: str, number: int
) -> _Statement:
    marks = [f"the text in place {place}" for place in range(number)]
    text, parameters = query(marks).query.get_compiler(using).as_sql()
    given = {f"p{place}": parameter for place, parameter in enumerate(parameters)}
    names = {parameter: name for name, parameter in given.items() if parameter in marks}
    if len(names) != number or text.count("%") != len(given):
        raise TypeError("a prepared query has to be for one of several texts, and no patterns")
    fixed = {name: value for name, value in given.items() if value not in marks}
    named = text % tuple(f"%({name})s" for name in given)
    return _Statement(named, fixed, [names[mark] for mark in marks])


def unshared(kept: T) -> T:
    """An object of the database as `kept` is, which nobody else has: what a user may do, Django
    remembers on the user. A tenth of the time that `copy.copy` takes."""
    made: Any = object.__new__(type(kept))
    made.__dict__.update(kept.__dict__)
    state = made._state = ModelState()
    state.db, state.adding = kept._state.db, False  # type: ignore[attr-defined]
    return cast("T", made)


def _object_of(query: QuerySet[Any], row: Sequence[Any]) -> Any:
    """The object that `query` makes of a row, as if the database had just been asked."""
    compiler = query.query.get_compiler(query.db)

    def execute_sql(*args: Any, **kwargs: Any) -> Any:
        compiler.as_sql()  # By which it knows what its columns are.
        return [[row]]

    compiler.execute_sql = execute_sql
    query.query.get_compiler = lambda *args, **kwargs: compiler  # type: ignore[method-assign]
    return next(iter(ModelIterable(query)))
