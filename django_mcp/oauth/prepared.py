"""A query that every request asks: written once, and each of its rows read once.

For a join of four tables the ORM takes more than a millisecond to write the statement and to make
objects of a row; to ask takes a twentieth of that. The database is asked every time all the same:
what is remembered is the statement, and what a row was read as, which counts for that row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from django.db import connections, router
from django.db.models import Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.query import ModelIterable

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

#: Rows that are remembered with what they were read as.
_MOST: Final = 2_048


def asks_the_database(verify: F) -> F:
    """Mark a verifier that asks the database and nobody else: several requests share its thread."""
    verify.asks_the_database = True  # type: ignore[attr-defined]
    return verify


class Prepared(Generic[T]):
    """`query` for one object of `model` at most, by texts it has to be equal to, and the value that
    `read` makes of it. That is handed out again for a row that is the same: whoever has it must not
    change it.
    """

    def __init__(
        self,
        model: type[Model],
        query: Callable[..., QuerySet[Any]],
        read: Callable[[Any], T],
    ) -> None:
        self._model = model
        self._query = query
        self._read = read
        self._statements: dict[tuple[str, str], _Statement] = {}
        self._seen: dict[tuple[str, ...], tuple[Any, T]] = {}

    def ask(self, *values: str) -> T | None:
        """The value of the object for which the conditions are equal to `values`; None where there
        is none. One statement. For a thread."""
        using = router.db_for_read(self._model)
        connection = connections[using]
        statement = self._statements.get((using, connection.vendor))
        if statement is None:
            statement = _written(self._query, using, len(values))
            self._statements[using, connection.vendor] = statement
        with connection.cursor() as cursor:
            cursor.execute(statement.text, statement.parameters(values))
            row = cursor.fetchone()
        if row is None:
            return None
        seen = self._seen.get(values)
        if seen is not None and seen[0] == row:
            return seen[1]
        value = self._read(_object_of(self._query(*values), row))
        if len(self._seen) >= _MOST:
            self._seen = {}
        self._seen[values] = (row, value)
        return value


class _Statement(NamedTuple):
    """Its text, with a name for each parameter; the parameters that are always the same, and the
    names of the others, in the order of the values.

    With names the text is made by one `%`. Places without, Django looks for with a regular
    expression on SQLite, which takes longer than the query.
    """

    text: str
    fixed: Mapping[str, Any]
    names: Sequence[Sequence[str]]

    def parameters(self, values: Sequence[str]) -> dict[str, Any]:
        found = dict(self.fixed)
        for names, value in zip(self.names, values, strict=True):
            for name in names:
                found[name] = value
        return found


def _written(query: Callable[..., QuerySet[Any]], using: str, number: int) -> _Statement:
    marks = [f"the value of place {place}" for place in range(number)]
    text, parameters = query(*marks).query.get_compiler(using).as_sql()
    given = {f"p{place}": parameter for place, parameter in enumerate(parameters)}
    names = [[name for name, parameter in given.items() if parameter == mark] for mark in marks]
    if not all(names) or text.count("%") != len(given):
        raise TypeError("the conditions of a prepared query have to be equal to texts")
    fixed = {name: value for name, value in given.items() if value not in marks}
    return _Statement(text % tuple(f"%({name})s" for name in given), fixed, names)


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
