"""Changes of exposed models: signals of Django become notifications, once they are committed.

Owns which signal says what of which object. When it is told, and how much at once, is `announcing`;
who hears of it, the server's. Nothing is connected to models that are not exposed.

Told of are an object that is saved or deleted, and one whose exposed many-to-many relations change.
What an object shows of others is not followed: for that, and for what sends no signals, there is
`notify_changed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from django.apps import apps
from django.db import models, router, transaction
from django.db.models import QuerySet
from django.db.models.signals import m2m_changed, post_delete, post_init, post_save

from ...server.registration import Registration
from ..announcing import Announcer, News, announcer_of
from .exposed import ExposedModel
from .options import ModelResource

#: The attribute of an object in which a watcher keeps its key as it was when the object was loaded;
#: with the watcher's number behind it, for another server may watch the same model.
_LOADED: Final = "_mcp_loaded_"
_numbers: Final = count(1)


class Watcher:
    """Hears of the changes of one exposed model, and has clients told of them."""

    def __init__(self, exposed: ExposedModel, announcer: Announcer) -> None:
        self._exposed = exposed
        self._announcer = announcer
        resource = exposed.resource
        moves = type(resource).get_queryset is not ModelResource.get_queryset
        #: Whether a change of an object may move it in or out of what a caller may see.
        self._moves = moves or resource.object_permissions
        self._listed = resource.listed
        self._loaded_key = f"{_LOADED}{next(_numbers)}"

    def connect(self) -> None:
        """Hear from now on, for as long as this is kept."""
        model, meta = self._exposed.model, self._exposed.model._meta
        uid = ("django_mcp", id(self))
        for each in apps.get_models():
            same = each._meta.concrete_model is meta.concrete_model
            if same or issubclass(each, model) or each in meta.all_parents:
                post_save.connect(self._saved, sender=each, dispatch_uid=uid)
            if same:
                # What inherits from it is deleted together with it, and says so itself.
                post_delete.connect(self._deleted, sender=each, dispatch_uid=uid)
            if not self._exposed.lookup.field.primary_key and (same or issubclass(each, model)):
                post_init.connect(self._loaded, sender=each, dispatch_uid=uid)
        for member in self._exposed.selection.members:
            if member.many and member.field.many_to_many:
                through = getattr(member.field, "through", None)
                through = member.field.remote_field.through if through is None else through
                m2m_changed.connect(self._related, sender=through, dispatch_uid=uid)

    def concerns(self, model: type[models.Model]) -> bool:
        """True where a change of an object of `model` is one of the exposed model."""
        own = self._exposed.model
        return model._meta.concrete_model is own._meta.concrete_model or issubclass(model, own)

    # What signals say

    def _loaded(self, instance: Any, **kwargs: Any) -> None:
        instance.__dict__[self._loaded_key] = instance.__dict__.get(
            self._exposed.lookup.field.attname
        )

    def _saved(
        self,
        sender: type[models.Model],
        instance: Any,
        created: bool,
        raw: bool,
        using: str,
        update_fields: frozenset[str] | None,
        **kwargs: Any,
    ) -> None:
        created = created and self.concerns(sender)
        if not created and not self._shows(update_fields):
            return
        listed = created or self._moves
        if raw:
            # A row of a fixture, which need not have what it inherits, nor what it refers to.
            self.tell(using, [], everything=True, listed=True)
            return
        before = instance.__dict__.get(self._loaded_key)
        key = self._key_of(instance)
        if before is not None and not self._is_updated(update_fields):
            key = before
        keys = [key] if before in (None, key) else [key, before]
        self._tell_of(using, keys, listed=listed or len(keys) > 1)
        if before is not None and key is not None:
            instance.__dict__[self._loaded_key] = key

    def _deleted(self, instance: Any, using: str, **kwargs: Any) -> None:
        self._tell_of(using, [self._key_of(instance)], listed=True)

    def _related(
        self,
        sender: type[models.Model],
        instance: Any,
        action: str,
        reverse: bool,
        model: type[models.Model],
        pk_set: set[Any] | None,
        using: str,
        **kwargs: Any,
    ) -> None:
        if not action.startswith("post_") or (action != "post_clear" and not pk_set):
            return
        keys: list[Any] = []
        if self._is_kin(type(instance)):
            keys.append(self._key_of(instance))
        if self._is_kin(model):
            if pk_set is not None and self._exposed.lookup.field.primary_key:
                keys += pk_set
            else:
                keys.append(None)
        if keys:
            self._tell_of(using, keys, listed=self._moves)

    def _is_kin(self, model: type[models.Model]) -> bool:
        """True where an object of `model` may be one of the exposed model, or inherited by one."""
        return self.concerns(model) or issubclass(self._exposed.model, model)

    def _is_updated(self, fields: frozenset[str] | None) -> bool:
        """True where the key is among the fields that were saved; None stands for all."""
        key = self._exposed.lookup.field
        return fields is None or not fields.isdisjoint((key.name, key.attname))

    def _shows(self, updated: frozenset[str] | None) -> bool:
        """True where a caller may see that these fields were updated; None stands for all.

        Otherwise it would be told of a change that it can see nothing of, and know that something
        hidden changed.
        """
        selection = self._exposed.selection
        if updated is None or self._moves or selection.computes:
            return True
        own = {member.name.partition("__")[0] for member in selection.members}
        names = {field.name: field for field in self._exposed.model._meta.concrete_fields}
        shown = {*own, *(names[name].attname for name in own & names.keys())}
        return not shown.isdisjoint(updated)

    def _key_of(self, instance: Any) -> Any:
        """The key by which clients know an object; None where it was not loaded."""
        field = self._exposed.lookup.field
        if field.attname in instance.__dict__:
            return instance.__dict__[field.attname]
        return instance.pk if field.primary_key else None

    # What clients are told

    def _tell_of(self, using: str, keys: Iterable[Any], *, listed: bool) -> None:
        found = list(keys)
        uris = [self._exposed.uri(key) for key in found if key is not None]
        self.tell(using, uris, everything=None in found, listed=listed)

    def tell(self, using: str, uris: Iterable[str], *, everything: bool, listed: bool) -> None:
        """Tell of a change that was made in the database `using`, once that is committed."""
        news = News(
            self._exposed.resource.uri,
            uris,
            everything=everything,
            listed=listed and self._listed,
        )
        connection = transaction.get_connection(using)
        if connection.in_atomic_block:
            _Uncommitted.of(connection, self._announcer, news.base).news.add(news)
        else:
            # Committed by now, or where the project commits by itself, when nobody can tell.
            self._announcer.tell(news)


class _Uncommitted:
    """What changed in a transaction, or in a savepoint of one, of the objects of one model.

    Held by what is called on commit and by nothing else: what is rolled back is gone with it.
    """

    def __init__(self, announcer: Announcer, base: str) -> None:
        self._announcer = announcer
        self.news = News(base)
        self._places: WeakValueDictionary[Any, _Uncommitted] | None = None
        self._place: Any = None

    @classmethod
    def of(cls, connection: Any, announcer: Announcer, base: str) -> _Uncommitted:
        places = _transactions.get(connection)
        if places is None:
            places = _transactions.setdefault(connection, WeakValueDictionary())
        place = (tuple(connection.savepoint_ids), id(announcer), base)
        found = places.get(place)
        if found is None:
            found = places[place] = cls(announcer, base)
            found._places, found._place = places, place
            transaction.on_commit(found.tell, using=connection.alias, robust=True)
        return found

    def tell(self) -> None:
        if self._places is not None and self._places.get(self._place) is self:
            del self._places[self._place]
        self._announcer.tell(self.news)


_transactions: WeakKeyDictionary[Any, WeakValueDictionary[Any, _Uncommitted]] = WeakKeyDictionary()

_watchers: WeakKeyDictionary[Registration, list[Watcher]] = WeakKeyDictionary()


def watch(server: Registration, exposed: ExposedModel) -> None:
    """Tell the clients of `server` of every change of an exposed model from now on."""
    watcher = Watcher(exposed, announcer_of(server))
    watcher.connect()
    _watchers.setdefault(server, []).append(watcher)


def notify_changed(server: Registration, what: Any, using: str | None) -> None:
    """See DjangoRegistration.notify_changed."""
    if isinstance(what, QuerySet):
        what, using = what.model, using or what.db
    if isinstance(what, type) and issubclass(what, models.Model):
        database = using or router.db_for_write(what)
        for watcher in _concerned(server, what):
            watcher.tell(database, [], everything=True, listed=True)
        return
    for each in [what] if isinstance(what, models.Model) else what:
        if not isinstance(each, models.Model):
            raise TypeError(
                f"notify_changed() takes a model, objects of one, or a queryset, not {each!r}."
            )
        database = using or each._state.db or router.db_for_write(type(each), instance=each)
        for watcher in _concerned(server, type(each)):
            watcher._tell_of(database, [watcher._key_of(each)], listed=True)


def _concerned(server: Registration, model: type[models.Model]) -> list[Watcher]:
    return [watcher for watcher in _watchers.get(server, ()) if watcher.concerns(model)]
