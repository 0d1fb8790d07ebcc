"""Whole runs: recipes, and what they leave behind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _engine
from ._checks import function
from .devices import open_device

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Run", "RunProgress", "recipes", "train"]


def recipes() -> list[str]:
    """Names of the recipes that are built in."""
    return _engine.recipes()


def settings(overrides: Mapping[str, Any] | None) -> list[str]:
    """``{"inner.steps": 5}``, or ``{"inner": {"steps": 5}}``, as ``key=value``."""
    found = []

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping) and "type" not in value:
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), inner)
        else:
            found.append(f"{prefix}={_toml(prefix, value)}")

    if overrides is not None and not isinstance(overrides, Mapping):
        raise TypeError(f"overrides is {overrides!r}; settings by their keys are needed, {{'inner.steps': 5}}")
    walk("", overrides or {})
    return found


def _toml(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {_toml(key, v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(key, v) for v in value) + "]"
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if value is None or not isinstance(value, (bool, int, float, str)):
        raise ValueError(f"`{key}` is {value!r}; a number, text, true or false, a list or a mapping is needed")
    return json.dumps(value)


@dataclass(frozen=True)
class RunProgress:
    """What is seen of a run between blocks of meta-iterations."""

    iteration: int
    """Meta-iterations done."""
    total: int
    """Meta-iterations asked for."""
    loss: float
    """Mean query loss of the block."""
    support_loss: float
    """Mean support loss before adaptation."""
    rate: float
    """Meta-iterations a second."""
    accuracy: float | None
    """Mean accuracy of the newest trial, if there was one."""


@dataclass(frozen=True)
class Run:
    """A run's directory and what it came to."""

    path: Path
    """The directory, as the command line leaves it: ``recipe.toml``, ``metrics.jsonl``, ``checkpoints/``, ``plots/``, …"""
    iterations: int
    """Meta-iterations done."""
    evaluation: dict[str, Any] | None
    """What ``evaluation.json`` holds; nothing if the training was ended by its callback."""

    def state_dict(self) -> dict[str, Any]:
        """The newest checkpoint: parameters by PyTorch's names."""
        from .files import tensors

        newest = max((self.path / "checkpoints").glob("*.safetensors"), key=lambda path: int(path.stem))
        return tensors(newest)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.iterations} meta-iterations)"


def train(
    recipe: str | os.PathLike[str] = "sinusoid",
    overrides: Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int | None = None,
    data: str | os.PathLike[str] | None = None,
    callback: Callable[[RunProgress], Any] | None = None,
) -> Run:
    """Trains a recipe into a directory, judges it on new tasks and draws pictures: ``fastweights train`` in a word.

    ``recipe`` is a name (``recipes()``) or a TOML file; ``overrides`` changes settings, ``{"inner.steps": 5}``; ``out`` is
    the directory, which must not exist (``runs/<recipe>-<n>`` by default); ``resume`` goes on with a run from its newest
    checkpoint; ``data`` is the directory of image sets. ``callback`` is called some times a second; ``return True`` ends the
    training with a checkpoint, and so does Ctrl-C, before ``KeyboardInterrupt`` goes on.
    """
    if not isinstance(recipe, (str, os.PathLike)):
        raise TypeError(f"recipe is {recipe!r}; a name, see fastweights.recipes(), or a TOML file is needed")
    if out is not None and resume is not None:
        raise ValueError("out and resume: a run that is gone on with has its directory; give one of them")
    function("callback", callback)
    watch = None if callback is None else lambda *seen: callback(RunProgress(*seen)) is True
    path, evaluation, iterations = _engine.train(
        os.fspath(recipe),
        settings(overrides),
        open_device(device, threads),
        open_device("cpu", threads),
        out,
        data,
        resume,
        watch,
    )
    from pathlib import Path  # Here, since an import of all should be quick.

    return Run(Path(path), iterations, None if evaluation is None else json.loads(evaluation))
