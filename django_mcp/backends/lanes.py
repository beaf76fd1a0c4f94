"""A thread for each running async call that needs one, out of a bounded number.

Django's async ORM sends every query to a thread; which one, asgiref looks up by the current
`ThreadSensitiveContext`. A lane is such a context for one call: it costs nothing until the call's
first query, then holds one thread until the call ends, so that a transaction or a cursor stays on
its connection. Where all threads are taken, queries wait for one; calls without queries do not.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from .connections import close_old_connections, close_stale_connections

P = ParamSpec("P")
T = TypeVar("T")

_Waiting = tuple[Future[Any], Callable[[], Any]]


class Lanes:
    """The lanes of one server, and the `max_threads` threads they share."""

    def __init__(self, max_threads: int) -> None:
        self._max_threads = max_threads
        self._threads: list[ThreadPoolExecutor] = []
        self._free: deque[ThreadPoolExecutor] = deque()
        self._waiting: deque[Lane] = deque()
        self._idle: deque[LaneContext] = deque()
        # Reentrant: a thread that has nothing to do answers before add_done_callback() returns.
        self._lock = threading.RLock()

    def enter(self) -> LaneContext:
        """A lane for a call that begins, as the context its queries are to run in."""
        return self._idle.pop() if self._idle else LaneContext(Lane(self))

    def leave(self, context: LaneContext) -> None:
        """The call with that lane has ended; its thread is given back once nothing runs there."""
        lane = context.lane
        if lane.thread is None and not lane.queued:
            self._idle.append(context)
            return
        with self._lock:
            # A task the call has left behind may go on: what it submits holds no thread any more.
            lane.ended = True
            if lane.queued:
                lane.queued = []
                self._waiting.remove(lane)
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
                    self._waiting.append(lane)
                else:
                    thread.submit(close_stale_connections)
            if thread is None:
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
            lane = self._waiting.popleft() if self._waiting else None
            if lane is None:
                self._free.append(thread)
                return
            lane.thread = thread
            queued, lane.queued = lane.queued, []
            thread.submit(close_stale_connections)
            for future, call in queued:
                thread.submit(_run_for, future, call)
            if lane.ended:
                self._release(lane)


class Lane(Executor):
    """What the sync work of one async call is submitted to."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self.thread: ThreadPoolExecutor | None = None
        self.queued: list[_Waiting] = []
        self.ended = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` on the lane's thread."""
        future: Future[T] = Future()
        self._lanes.submit(self, future, lambda: fn(*args, **kwargs))
        return future


class LaneContext(ThreadSensitiveContext):
    """By which asgiref finds a lane. A lane does not know its context: asgiref forgets an executor
    with the last reference to the context, and would never forget one that held it."""

    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self.lane = lane
        SyncToAsync.context_to_thread_executor[self] = lane


def _run_for(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
