"""Training on tasks that Python makes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .batches import batch

if TYPE_CHECKING:
    from .learners import MAML

__all__ = ["Progress"]

# Meta-iterations that are read ahead.
_AHEAD = 4
# Seconds between calls of a callback.
_BLOCK = 0.1


@dataclass(frozen=True)
class Progress:
    """What is seen of a training between blocks of meta-iterations."""

    iteration: int
    """Meta-iterations done, since the learner was made."""
    total: int
    """Its number when the training will be done."""
    loss: float
    """Mean query loss of the block."""
    support_loss: float
    """Mean support loss before adaptation."""
    rate: float
    """Meta-iterations a second."""
    losses: np.ndarray
    """Query losses of the block, one a meta-iteration: ``bar.update(len(progress.losses))``."""


class _Ahead:
    """An iterable read ahead on a thread: what it raises is raised where its items are taken."""

    _END = object()

    def __init__(self, make: Callable[[], Iterator[Any]]) -> None:
        from queue import Full, Queue  # Here, since an import of all should be quick.

        self._items, self._full = Queue(_AHEAD), Full
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(make,), name="fastweights tasks", daemon=True)
        self._thread.start()

    def _put(self, item: Any) -> bool:
        while not self._stopped.is_set():
            try:
                self._items.put(item, timeout=0.1)
                return True
            except self._full:
                pass
        return False

    def _read(self, make: Callable[[], Iterator[Any]]) -> None:
        try:
            for item in make():
                if not self._put((item, None)):
                    return
            self._put((self._END, None))
        except BaseException as error:  # noqa: BLE001: it is raised again by whoever takes the items
            self._put((None, error))

    def __iter__(self) -> Iterator[Any]:
        while True:
            item, error = self._items.get()
            if error is not None:
                raise error
            if item is self._END:
                return
            yield item

    def stop(self) -> None:
        """Ends the thread after the item it is at."""
        self._stopped.set()
        self._thread.join(timeout=5)


def _meta_batches(learner: MAML, tasks: Iterable[Any], meta_batch: int | None) -> Iterator[tuple[Any, ...]]:
    """Meta-iterations as the engine takes them, of meta-iterations or of single tasks."""
    shapes = learner._shapes
    supports: list[Any] = []
    queries: list[Any] = []
    for number, item in enumerate(tasks):
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            raise ValueError(f"item {number} of the tasks is {type(item).__name__}; (support, query) is needed")
        support, query = item
        if not _is_one(support, shapes):
            if supports:
                raise ValueError(f"item {number} of the tasks is a batch, but single tasks came before it")
            yield batch(support, query, shapes)
            continue
        supports.append(support)
        queries.append(query)
        if len(supports) == (meta_batch or 16):
            yield batch(_columns(supports), _columns(queries), shapes)
            supports, queries = [], []


def _columns(points: list[Any]) -> tuple[list[Any], list[Any]]:
    return [x for x, _ in points], [y for _, y in points]


def _is_one(points: Any, shapes: Any) -> bool:
    """Whether points are those of one task."""
    if not isinstance(points, (list, tuple)) or len(points) != 2 or isinstance(points[0], (list, tuple)):
        return False
    x = np.asarray(points[0])
    axes = shapes._axes(x)
    return axes > 0 and x.ndim == axes + 1


def fit_generator(
    learner: MAML,
    tasks: Iterable[Any],
    iterations: int,
    meta_batch: int | None,
    callback: Callable[[Progress], Any] | None,
    every: int | None,
) -> np.ndarray:
    """See ``MAML.fit``."""
    done, all_losses = learner.iteration, []
    end, block, first, since = done + iterations, [], done, time.perf_counter()
    if iterations == 0:
        return np.zeros(0, np.float32)
    ahead = _Ahead(lambda: _meta_batches(learner, tasks, meta_batch))
    try:
        for arrays in ahead:
            query, support = learner._engine.step(arrays)
            done += 1
            block.append((query, support))
            all_losses.append(query)
            now = time.perf_counter()
            due = done % every == 0 if every else now - since >= _BLOCK
            if callback is not None and (due or done == end):
                losses = np.asarray(block, np.float32)
                mean = losses.mean(axis=0)
                rate = (done - first) / max(now - since, 1e-9)
                seen = Progress(done, end, float(mean[0]), float(mean[1]), rate, losses[:, 0].copy())
                block, first = [], done
                if callback(seen) is True:
                    break
                since = time.perf_counter()
            if done == end:
                break
    finally:
        ahead.stop()
    return np.asarray(all_losses, np.float32)
