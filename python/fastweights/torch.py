"""PyTorch's modules, with their own parameters, optimizers and checkpoints; the meta-gradient comes from the engine.

>>> maml = fw.torch.MAML(module, loss="cross_entropy", inner_lr=0.4)
>>> optimizer = torch.optim.Adam(module.parameters(), 1e-3)
>>> for support, query in tasks:                       # (x, y) each, [tasks, points, ...]
...     optimizer.zero_grad()
...     loss = maml.meta_grad(support, query)
...     optimizer.step()
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from . import learners as _learners
from . import optimizers as _optimizers
from ._trace import Traced
from .models import Model

__all__ = ["ANIL", "BOIL", "FOMAML", "MAML", "MetaSGD", "Reptile", "from_module"]

_LOSSES = {
    nn.MSELoss: lambda loss: _optimizers.MSE(),
    nn.HuberLoss: lambda loss: _optimizers.Huber(loss.delta),
    nn.BCEWithLogitsLoss: lambda loss: _optimizers.BCEWithLogits(),
    nn.CrossEntropyLoss: lambda loss: _optimizers.CrossEntropy(loss.label_smoothing),
}
# Settings that would follow meta-iterations, which are not counted here, or add parameters that a module has not.
_OUTER = {"optimizer", "iterations", "first_order_iterations", "multi_step_loss_iterations", "per_step_batch_norm"}


def from_module(module: nn.Module, input_shape: Sequence[int] | None = None) -> Model:
    """A model that computes what a module does, its parameters called as in the module.

    ``input_shape`` is the shape of a point, ``(features,)`` or ``(channels, height, width)``; a first ``Linear`` says it. An op there
    is not is refused by its name and the line of the module. Batch norms take the statistics of the points at hand, as in a module's
    training mode; running averages are not kept.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module is {type(module).__name__}; a torch.nn.Module is needed")
    return Traced(module, input_shape)


def _loss(loss: Any) -> Any:
    make = _LOSSES.get(type(loss))
    if make is None and (isinstance(loss, nn.Module) or not isinstance(loss, (str, _optimizers.Setting))):
        known = ", ".join(f"nn.{kind.__name__}()" for kind in _LOSSES)
        raise TypeError(f"loss is {loss!r}; a name is needed, e.g. 'mse', or one of {known}")
    if make is None:
        return loss
    if loss.reduction != "mean" or getattr(loss, "weight", None) is not None or getattr(loss, "pos_weight", None) is not None:
        raise ValueError(f"{loss}: the mean over points without weights is needed")
    return make(loss)


def _arrays(points: Any) -> Any:
    """Tensors as arrays where they lie."""
    if isinstance(points, torch.Tensor):
        points = points.detach().cpu()
        # NumPy has no such numbers.
        return (points.float() if points.dtype == torch.bfloat16 else points).numpy()
    if isinstance(points, (list, tuple)):
        return type(points)(map(_arrays, points))
    return points


class MAML:
    """The meta-gradient of a module, put into ``.grad`` of its own parameters.

    Settings are those of ``fastweights.MAML``, but for the outer optimizer, which is PyTorch's; ``loss`` may be a loss of
    ``torch.nn``. ``input_shape`` is that of a point; without it, the first tasks say it.

    With ``learned_lr`` the inner rates are ``inner_lr``, a ``Parameter`` beside the module's: give the optimizer
    ``maml.parameters()``, which has both.
    """

    _learner: type[_learners.MAML] = _learners.MAML

    def __init__(
        self,
        module: nn.Module,
        loss: Any = "mse",
        *,
        input_shape: Sequence[int] | None = None,
        **settings: Any,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise TypeError(f"module is {type(module).__name__}; a torch.nn.Module is needed")
        strange = sorted(settings.keys() & _OUTER)
        if strange:
            raise TypeError(f"{' and '.join(strange)}: not for it, the outer loop is PyTorch's, over the module's parameters")
        self.module = module
        self.inner_lr: nn.Parameter | None = None
        self._settings = {"loss": _loss(loss), **settings}
        self._engine: _learners.MAML | None = None
        # Rates are there before the optimizer that learns them.
        if input_shape is not None or "learned_lr" in settings or self._learner is _learners.MetaSGD:
            self._make(None if input_shape is None else tuple(input_shape))

    def _make(self, input_shape: tuple[int, ...] | None) -> _learners.MAML:
        model = Traced(self.module, input_shape)
        own = dict(self.module.named_parameters())
        self._parameters = [own[place] for place in model.places]
        self._engine = self._learner(model, **self._settings)
        rates = self._engine.state_dict().get("inner_lr")
        if rates is not None:
            self.inner_lr = nn.Parameter(torch.from_numpy(rates.copy()))
        return self._engine

    def parameters(self) -> Iterator[nn.Parameter]:
        """The module's parameters and, where inner rates are learned, ``inner_lr``: what an outer optimizer is for."""
        yield from self.module.parameters()
        if self.inner_lr is not None:
            yield self.inner_lr

    def _learned(self) -> list[nn.Parameter]:
        """Parameters in the order of the engine's flat vector."""
        return self._parameters if self.inner_lr is None else [*self._parameters, self.inner_lr]

    def _ready(self, x: Any) -> _learners.MAML:
        if self._engine is not None:
            return self._engine
        first = x[0] if isinstance(x, (list, tuple)) else x[0]
        shape = tuple(np.shape(first)[1:])
        return self._make(shape)

    def _flat(self) -> np.ndarray:
        with torch.no_grad():
            parts = [parameter.reshape(-1).to("cpu", torch.float32) for parameter in self._learned()]
            flat = torch.cat(parts).numpy()
        if not np.isfinite(flat).all():
            named = zip([*self._engine.state_dict()], parts) if self._engine is not None else []
            wrong = next((name for name, part in named if not torch.isfinite(part).all()), "a parameter")
            raise FloatingPointError(f"{wrong} is not finite; a smaller outer rate may help")
        return flat

    def meta_grad(self, support: Any, query: Any) -> float:
        """Adds the meta-gradient over tasks to ``.grad`` of the module's parameters (and of ``inner_lr``, where rates are
        learned), as ``backward`` does, and returns the mean query loss.

        ``support`` and ``query`` are ``(x, y)`` or ``(x, y, mask)``, tensors or arrays: ``x`` ``[tasks, points, …]``, ``y``
        ``[tasks, points, outputs]`` or ``[tasks, points]`` of class indices; or lists with a tensor for each task.
        """
        learner = self._ready(support[0])
        arrays = _learners.batch(_arrays(support), _arrays(query), learner._shapes)
        loss, gradient = learner._engine.meta_gradient(arrays, self._flat())
        learned = self._learned()
        parts = torch.from_numpy(gradient).split([parameter.numel() for parameter in learned])
        for parameter, part in zip(learned, parts):
            if not parameter.requires_grad:
                continue
            part = part.view(parameter.shape).to(parameter.device, parameter.dtype)
            if parameter.grad is None:
                parameter.grad = part
            else:
                parameter.grad += part
        return loss

    def adapt(self, x: Any, y: Any, steps: int | None = None) -> nn.Module:
        """A copy of the module adapted to one task by ``steps`` inner steps (those of training by default); ``x`` ``[points, …]``."""
        learner = self._ready([x])
        learner._engine.set_state(self._flat())
        adapted = learner.adapt(_arrays(x), _arrays(y), steps)
        if adapted._many:
            raise ValueError("x: one task, [points, …], is needed; adapt tasks one by one")
        module = copy.deepcopy(self.module)
        own = dict(module.named_parameters())
        with torch.no_grad():
            for place, values in zip(learner.model.places, adapted.state_dict().values()):  # type: ignore[attr-defined]
                own[place].copy_(torch.from_numpy(values).view(own[place].shape))
        return module

    def evaluate(self, support: Any, query: Any, steps: int | None = None) -> _learners.Evaluation:
        """How new tasks fare, as ``fastweights.MAML.evaluate`` reports it, at the module's parameters as they are."""
        learner = self._ready(support[0])
        learner._engine.set_state(self._flat())
        return learner.evaluate(_arrays(support), _arrays(query), steps)

    def __repr__(self) -> str:
        return f"fastweights.torch.{type(self).__name__}({type(self.module).__name__}, loss={self._settings['loss']!r})"


class FOMAML(MAML):
    """First-order MAML."""

    _learner = _learners.FOMAML


class ANIL(MAML):
    """The inner loop changes the last linear layer alone."""

    _learner = _learners.ANIL


class BOIL(MAML):
    """The inner loop changes everything but the last linear layer."""

    _learner = _learners.BOIL


class MetaSGD(MAML):
    """A learned inner rate for each parameter: ``inner_lr``, in the order of ``from_module(module).parameters``."""

    _learner = _learners.MetaSGD


class Reptile(MAML):
    """The way that adaptation goes in place of a gradient: with ``torch.optim.SGD(module.parameters(), share)``."""

    _learner = _learners.Reptile
