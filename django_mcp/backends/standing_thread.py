"""A thread that stands ready from the beginning, and that nobody has to wait for at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds a thread has to come to a stand. It stands for three times as long at most.
STILL: Final = 1.0


class StandingThread(ThreadPoolExecutor):
    """Runs functions one after another, as an event loop's default executor may.

    Other executors start their threads when there is something to do, which Python refuses from
    3.12 on in a process that ends, and Python waits for those threads, however long the lookup of
    a name takes. This one has its thread from the start, and dies with the process.
    """

    def __init__(self, name: str) -> None:
        super().__init__(max_workers=1)
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def task() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)

        self._tasks.put(task)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the thread after what it has to do; nothing waits for it."""
        self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


def stand_still(*submits: Callable[[Callable[[], Any]], Any]) -> Callable[[], None]:
    """Have the threads behind `submits` stand still between two of their tasks; returns a function
    that lets them go on.

    For the moment of a fork: what a thread holds then, the lock of a module that is being imported
    or of a name that is being looked up, is held in the child for ever. A thread that does not
    come to a stand within STILL seconds is not waited for.
    """
    stands = threading.Semaphore(0)
    go_on = threading.Event()

    def stand() -> None:
        stands.release()
        go_on.wait(3 * STILL)

    for submit in submits:
        submit(stand)
    for _ in submits:
        stands.acquire(timeout=STILL)
    return go_on.set
