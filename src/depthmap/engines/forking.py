"""What a fork does to engines: a child has this process's memory, but of its threads only the one that forked.

Whoever waits for another waits for ever. So:

- A fork waits until no other thread prepares a picture or runs a network: no lock of NumPy or an engine is held then.
- What a child inherited is never destroyed there: an engine would wait for the end of threads that are not there.
- `Forkable` gives a child a runner of its own, where the inherited one would be slow.
- `apart` keeps away from a pool of threads that belongs to the thread that forked, as OpenMP's do.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from . import Float32, Runner

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds that a fork waits for other threads at most."""


class _Gate:
    """Threads that are within an engine. A fork lets no others in, and waits until these are out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._forking: set[int] = set()

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._changed:
            # Whoever is inside may go further in; the handler of a signal may run within a fork.
            self._changed.wait_for(lambda: me in self._inside or self._forking <= {me}, _PATIENCE)
            self._inside[me] += 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        with self._changed:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until this thread may fork; its own being inside counts not: the handler of a signal may fork."""
        me = threading.get_ident()
        with self._changed:
            self._forking.add(me)
            self._changed.wait_for(lambda: self._inside.keys() <= {me}, _PATIENCE)

    def open(self) -> None:
        """Let others in again."""
        with self._changed:
            self._forking.discard(threading.get_ident())
            self._changed.notify_all()

    def reset(self) -> None:
        """Forget all other threads: they are not in this process."""
        mine = self._inside[threading.get_ident()]
        self._changed = threading.Condition()
        self._inside = Counter({threading.get_ident(): mine} if mine else {})
        self._forking = set()


class Inherited(Protocol):
    """What has to know that it is in a forked child now."""

    def after_fork(self) -> None:
        """Make it fit for use; locks may be held by threads that are not there."""


running = _Gate()
"""A context for whatever calls into an engine, or lets NumPy multiply matrices."""
_inherited: weakref.WeakSet[Inherited] = weakref.WeakSet()
_forked: int | None = None
"""The thread that forked, in the child."""
_other: ThreadPoolExecutor | None = None


def tell(one: Inherited) -> None:
    """Call ``one.after_fork()`` in each child that is forked, for as long as it lives."""
    _inherited.add(one)


class Forkable:
    """A runner that goes on in a forked child: as it is, or with what ``again`` then returns."""

    def __init__(self, run: Runner, again: Callable[[], Runner] | None = None) -> None:
        self._run = run
        self._again = again
        self._stale = False
        self._renewing = threading.Lock()
        tell(self)

    def __call__(self, *inputs: Float32) -> tuple[Float32, ...]:
        """See `Runner`."""
        with running:
            if self._stale and self._again:
                self._renew(self._again)
            return self._run(*inputs)

    def _renew(self, again: Callable[[], Runner]) -> None:
        with self._renewing:
            if self._stale:
                self._run = again()
                self._stale = False

    def after_fork(self) -> None:
        """Keep what was inherited for ever, and take another at the next run."""
        _keep_for_ever(self._run)
        self._stale = True
        self._renewing = threading.Lock()


def _keep_for_ever(value: object) -> None:
    """Let no reference count of this reach zero, not even when the interpreter ends."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function; in the thread that came out of a fork, let another thread do it.

    GNU's OpenMP has a pool for each thread that computes. That of the thread that forked has stayed with the parent,
    and would be waited for; another thread gets one of its own, on all cores.
    """
    if threading.get_ident() != _forked:
        return function(*args, **kwargs)
    return _other_thread().submit(function, *args, **kwargs).result()


def _other_thread() -> ThreadPoolExecutor:
    global _other
    if _other is None:
        from concurrent.futures import ThreadPoolExecutor

        _other = ThreadPoolExecutor(1, "after-fork")
    return _other


def _in_child() -> None:
    global _forked, _other
    running.reset()
    _forked, _other = threading.get_ident(), None
    for one in list(_inherited):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=running.close, after_in_parent=running.open, after_in_child=_in_child)
