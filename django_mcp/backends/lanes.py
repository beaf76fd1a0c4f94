"""A thread for each running async call that needs one, out of a bounded number.

Django's async ORM sends every query to a thread; which one, asgiref looks up by the current
`ThreadSensitiveContext`. A lane is such a context for one call: it costs next to nothing until the
call's first query, then holds one thread until the call ends, so that a transaction or a cursor
stays on its connection. Where all threads are taken, queries wait for one; calls without queries do
not.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from .connections import close_old_connections, close_stale_connections

P = ParamSpec("P")
T = TypeVar("T")

_Queued = tuple[Future[Any], Callable[[], Any]]


class Lane(ThreadSensitiveContext):
    """The context of one call, in which its queries run on a thread of their own.

    asgiref keeps an executor for each context. To be entered there and taken out again would cost
    each call more than the lane itself does, and most have no query. So all lanes are equal: they
    are one key, under which stands who looks at which of them is current.

    `ended` is True once the call has ended. A task that it left behind may go on; what that submits
    holds no thread any more.
    """

    thread: ThreadPoolExecutor | None = None
    #: What waits for a thread.
    queued: list[_Queued] | None = None
    ended: bool = False

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lane)

    def __hash__(self) -> int:
        return hash(Lane)


# What asgiref itself keeps in a context says how that was entered, and is the same for every lane.
for _name, _value in vars(ThreadSensitiveContext()).items():
    setattr(Lane, _name, _value)


class Lanes:
    """The lanes of one server, and the `max_threads` threads they share."""

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._threads: list[ThreadPoolExecutor] = []
        self._free: deque[ThreadPoolExecutor] = deque()
        #: The lanes that wait for a thread, by their ids: to each other they are all equal.
        self._waiting: dict[int, Lane] = {}
        # Reentrant: a thread that has nothing to do answers before add_done_callback() returns.
        self._lock = threading.RLock()

    def leave(self, lane: Lane) -> None:
        """The call with that lane has ended; its thread is given back once nothing runs there.

        What waits for a thread still gets one: a task that was left behind has asked for it, or
        else it was cancelled, and takes no time.
        """
        # First: what is submitted from here on, maybe by another thread, gives back what it takes.
        lane.ended = True
        if lane.thread is not None:
            with self._lock:
                self._release(lane)

    def _release(self, lane: Lane) -> None:
        thread, lane.thread = lane.thread, None
        if thread is not None:
            # Behind whatever still runs, such as the query of a call that was cancelled.
            done = thread.submit(close_old_connections)
            done.add_done_callback(lambda _: self._give_back(thread))

    def submit(self, lane: Lane, future: Future[Any], call: Callable[[], Any]) -> None:
        """Run `call` for `future` on the thread of `lane`, which is given one first, or waits."""
        with self._lock:
            thread = lane.thread
            if thread is None and not lane.queued:
                thread = lane.thread = self._take()
                if thread is None:
                    self._waiting[id(lane)] = lane
                else:
                    thread.submit(close_stale_connections)
            if thread is None:
                lane.queued = lane.queued or []
                lane.queued.append((future, call))
                return
            thread.submit(_run_for, future, call)
            if lane.ended:
                self._release(lane)

    def _take(self) -> ThreadPoolExecutor | None:
        if self._free:
            return self._free.pop()
        if len(self._threads) >= self._max_threads:
            return None
        thread = ThreadPoolExecutor(1, thread_name_prefix="django_mcp_lane")
        self._threads.append(thread)
        return thread

    def close(self) -> None:
        """Let go of the threads; running queries end by themselves."""
        with self._lock:
            threads, self._threads = self._threads, []
            self._free.clear()
        for thread in threads:
            thread.shutdown(wait=False)

    def _give_back(self, thread: ThreadPoolExecutor) -> None:
        with self._lock:
            if thread not in self._threads:
                return
            if not self._waiting:
                self._free.append(thread)
                return
            lane = self._waiting.pop(next(iter(self._waiting)))
            lane.thread = thread
            queued, lane.queued = lane.queued or [], None
            thread.submit(close_stale_connections)
            for future, call in queued:
                thread.submit(_run_for, future, call)
            if lane.ended:
                self._release(lane)


class _CurrentLane(Executor):
    """What sync work is submitted to where the current context is a lane."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` on the thread of the current lane."""
        future: Future[T] = Future()
        lane: Any = SyncToAsync.thread_sensitive_context.get()
        lane.lanes.submit(lane, future, lambda: fn(*args, **kwargs))
        return future


#: Kept for good, and with it the entry that all lanes find.
_KEY: Final = Lane(Lanes(0))
SyncToAsync.context_to_thread_executor[_KEY] = _CurrentLane()


def _run_for(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
