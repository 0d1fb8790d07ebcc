"""Points and tasks as the engine takes them: contiguous float32 arrays ``[tasks, points, …]``, checked."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

FLOAT = np.dtype(np.float32)


def floats(what: str, values: Any) -> np.ndarray:
    """A contiguous float32 array: the one that was given, if it is one."""
    if type(values) is np.ndarray and values.dtype == FLOAT and values.flags.c_contiguous and values.flags.aligned:
        return values
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(f"{what}: a masked array is not read; give how much each point counts as a mask, (x, y, mask)")
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what}: numbers are needed, not an array of {array.dtype}")
    with np.errstate(over="ignore"):
        return np.require(array, np.float32, ["C", "A"])


class Shapes:
    """What the points of a model look like."""

    def __init__(self, input_shape: tuple[int, ...], outputs: int, truth: str) -> None:
        self.input_shape, self.inputs, self.outputs = input_shape, prod(input_shape), outputs
        self.classes = truth == "class"
        self.targets = 1 if self.classes else outputs
        # As what a point may come: an image also flat, and one of one row, a series of channels, without its rows.
        self._forms = [input_shape]
        if len(input_shape) == 3:
            channels, rows, columns = input_shape
            self._forms += [(channels, columns), (self.inputs,)] if rows == 1 else [(self.inputs,)]

    def _axes(self, x: np.ndarray) -> int:
        """Axes of a point in ``x``; 0 if it does not end in a point."""
        return next((len(form) for form in self._forms if x.ndim > len(form) and x.shape[-len(form) :] == form), 0)

    def _point(self) -> str:
        return "] or [..., ".join(", ".join(map(str, form)) for form in self._forms)

    def leading(self, what: str, values: Any, leads: Sequence[int], names: str) -> tuple[np.ndarray, int]:
        """Features and the number of axes ahead of a point, which must be one of ``leads``."""
        x = floats(what, values)
        axes = self._axes(x)
        lead = x.ndim - axes
        if axes == 0 or lead not in leads:
            raise ValueError(f"{what}: [{names}, {self._point()}] is needed, not {list(x.shape)}")
        if 0 in x.shape[:lead]:
            empty = "tasks" if lead == 2 and len(x) == 0 else "points"
            raise ValueError(f"{what} has no {empty}: {list(x.shape)}")
        return x, lead

    def labels(self, what: str, values: Any, lead: tuple[int, ...]) -> np.ndarray:
        """Targets of points ``lead``, without an axis of their own where there is one target."""
        y = floats(what, values)
        if y.shape == (*lead, self.targets) or (self.targets == 1 and y.shape == lead):
            return y
        needed = [*lead] if self.targets == 1 else [*lead, self.targets]
        kind = "a class index for each point" if self.classes else "targets"
        raise ValueError(f"{what}: {needed}, {kind}, is needed, not {list(y.shape)}")


def _is_ragged(values: Any) -> bool:
    return isinstance(values, (list, tuple)) and len(values) > 0 and hasattr(values[0], "__len__")


def _tasks(what: str, points: Any, shapes: Shapes) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """One set of points of every task: ``(x, y)`` or ``(x, y, mask)``, arrays or a list of arrays, one a task."""
    if not isinstance(points, (list, tuple)) or len(points) not in (2, 3):
        raise ValueError(f"{what}: (x, y) or (x, y, mask) is needed, not {type(points).__name__}")
    x, y, mask = points if len(points) == 3 else (*points, None)
    if _is_ragged(x):
        if mask is not None:
            raise ValueError(f"{what}: a list of tasks has no mask; each task has the points that it has")
        return _pad(what, x, y, shapes)
    x, _ = shapes.leading(f"{what} x", x, (2,), "tasks, points")
    y = shapes.labels(f"{what} y", y, x.shape[:2])
    if mask is not None:
        mask = floats(f"{what} mask", mask)
        if mask.shape != x.shape[:2]:
            raise ValueError(f"{what} mask: {list(x.shape[:2])} is needed, not {list(mask.shape)}")
    return x, y, mask


def _pad(what: str, xs: Any, ys: Any, shapes: Shapes) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Tasks of unequal numbers of points as arrays, with weights of 0 for what is not there."""
    if len(xs) != len(ys):
        raise ValueError(f"{what}: x has {len(xs)} tasks and y has {len(ys)}")
    found = []
    for task, (x, y) in enumerate(zip(xs, ys)):
        x, _ = shapes.leading(f"{what} x of task {task}", x, (1,), "points")
        found.append((x, shapes.labels(f"{what} y of task {task}", y, x.shape[:1])))
    longest = max(len(x) for x, _ in found)
    all_x = np.zeros((len(found), longest, shapes.inputs), np.float32)
    all_y = np.zeros((len(found), longest, shapes.targets), np.float32)
    mask = np.zeros((len(found), longest), np.float32)
    for task, (x, y) in enumerate(found):
        all_x[task, : len(x)] = x.reshape(len(x), -1)
        all_y[task, : len(x)] = y.reshape(len(x), -1)
        mask[task, : len(x)] = 1
    return all_x, all_y, None if mask.all() else mask


def batch(support: Any, query: Any, shapes: Shapes) -> tuple[Any, ...]:
    """Support and query of all tasks, as the engine takes them."""
    support_x, support_y, support_mask = _tasks("support", support, shapes)
    query_x, query_y, query_mask = _tasks("query", query, shapes)
    if len(support_x) != len(query_x):
        raise ValueError(f"support has {len(support_x)} tasks and query has {len(query_x)}")
    if support_mask is not None or query_mask is not None:
        if support_mask is None:
            support_mask = np.ones(support_x.shape[:2], np.float32)
        if query_mask is None:
            query_mask = np.ones(query_x.shape[:2], np.float32)
    return support_x, support_y, query_x, query_y, support_mask, query_mask
