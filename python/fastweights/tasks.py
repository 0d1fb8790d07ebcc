"""Tasks that are drawn where the training runs: ``learner.fit(tasks.Sinusoid(), iterations=…)``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import pi
from typing import Any

import numpy as np

from . import _engine
from ._checks import count, span
from .batches import floats

__all__ = ["Classes", "FromRecipe", "Sinusoid", "Tasks"]


class Tasks:
    """A family of tasks. A draw follows from a seed, a meta-iteration and a task, and from nothing else."""

    _source: _engine.Source

    @property
    def support(self) -> int:
        """Support points of a task."""
        return self._source.support

    @property
    def query(self) -> int:
        """Query points of a task."""
        return self._source.query

    @property
    def inputs(self) -> int:
        """Elements of a point."""
        return self._source.inputs

    def sample(self, tasks: int = 16, seed: int = 1, iteration: int = 0) -> tuple[tuple[np.ndarray, ...], ...]:
        """Tasks as arrays, ``((x, y), (x, y))`` of support and query: ``x`` ``[tasks, points, inputs]``, ``y``
        ``[tasks, points, 1]``, with a mask behind them where points do not count. For tasks that no training saw, take
        a seed that no ``fit`` had (its default is 0)."""
        sx, sy, qx, qy, sw, qw = self._source.batch(count("iteration", iteration), count("tasks", tasks, 1), count("seed", seed))
        return ((sx, sy), (qx, qy)) if sw is None else ((sx, sy, sw), (qx, qy, qw))

    # Nothing of it changes, so that a copy may be the same.

    def __copy__(self) -> Tasks:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tasks:
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}(support={self.support}, query={self.query})"


class Sinusoid(Tasks):
    """``y = a sin(x + b)`` with ``a``, ``b`` (radians) and the ``x`` of each task drawn uniformly from ranges
    (Finn, Abbeel and Levine 2017, section 5.1). With a ``pool``, that many tasks are fixed by the seed and visited in order."""

    def __init__(
        self,
        support: int = 10,
        query: int = 10,
        *,
        amplitude: tuple[float, float] = (0.1, 5.0),
        phase: tuple[float, float] = (0.0, 2 * pi),
        x: tuple[float, float] = (-5.0, 5.0),
        pool: int | None = None,
    ) -> None:
        support, query = count("support", support, 0, 2**32), count("query", query, 1, 2**32)
        pool = None if pool is None else count("pool", pool, 1, 2**32 - 1)
        spans = span("amplitude", amplitude), span("phase", phase), span("x", x)
        self._source = _engine.Source.sinusoid(*spans, pool, support, query)


class Classes(Tasks):
    """n-way k-shot classification of points of one's own: ``x`` ``[points, …]``, images or vectors, with a label each.

    A task has ``ways`` of the classes, called 0 … ``ways - 1`` in the order in which they are drawn, and of each class
    ``shots`` support and ``queries`` query points, none twice. ``split`` keeps classes apart for testing.
    """

    def __init__(self, x: Any, labels: Any, ways: int = 5, shots: int = 1, queries: int = 15) -> None:
        x = floats("x", x)
        if x.ndim < 2:
            raise ValueError(f"x: [points, …] is needed, not {list(x.shape)}")
        named, numbers = np.unique(np.asarray(labels).ravel(), return_inverse=True)
        if len(numbers) != len(x):
            raise ValueError(f"x has {len(x)} points, and there are {len(numbers)} labels")
        self.classes: list[Any] = named.tolist()
        self.ways, self.shots = count("ways", ways, 1), count("shots", shots, 1)
        self.queries = count("queries", queries, 1)
        self._source = _engine.Source.of_classes(x.reshape(len(x), -1), numbers.tolist(), ways, shots, queries)

    def split(self, train: int, validation: int = 0, test: int = 0, seed: int = 0) -> tuple[Classes, ...]:
        """Tasks from disjoint sets of classes: for training, and of those that are not 0 for validation and test."""
        parts = []
        counts = [count("train", train, 1), count("validation", validation), count("test", test)]
        for source in self._source.split(count("seed", seed), counts):
            part = object.__new__(Classes)
            part.__dict__.update(self.__dict__, _source=source)
            parts.append(part)
        return tuple(parts)

    def __repr__(self) -> str:
        return f"Classes(ways={self.ways}, shots={self.shots}, queries={self.queries})"


class FromRecipe(Tasks):
    """The training tasks of a recipe, a name (``fastweights.recipes()``) or a TOML file, with settings changed as in ``train``.
    ``data`` is the directory of image sets."""

    def __init__(
        self, recipe: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None, data: str | None = None
    ) -> None:
        from .runs import settings

        self.recipe = os.fspath(recipe)
        self._source = _engine.Source.of_recipe(self.recipe, settings(overrides), data)

    def __repr__(self) -> str:
        return f"FromRecipe({self.recipe!r}, support={self.support}, query={self.query})"
