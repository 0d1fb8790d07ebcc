"""Outer and inner optimizers, and losses, as settings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ._value import Value

__all__ = [
    "Adam", "BCEWithLogits", "CrossEntropy", "Huber", "InnerAdam", "InnerMomentum", "InnerNesterov", "InnerRMSprop",
    "InnerSGD", "MSE", "SGD",
]  # fmt: skip

CLASSES: dict[str, type[Setting]] = {}


@dataclass(eq=False, repr=False)
class Setting(Value):
    """Settings of one thing, by its class."""

    def __init_subclass__(cls) -> None:
        CLASSES[cls.__name__] = cls

    def _engine(self) -> Any:
        raise NotImplementedError


def write(setting: Any) -> Any:
    """A setting as JSON holds it."""
    return {"class": type(setting).__name__, **dataclasses.asdict(setting)} if isinstance(setting, Setting) else setting


def read(setting: Any) -> Any:
    """And back."""
    if not (isinstance(setting, dict) and "class" in setting):
        return setting
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in setting.items() if k != "class"}
    return CLASSES[setting["class"]](**settings)


@dataclass(eq=False, repr=False)
class Adam(Setting):
    """Adam as the outer optimizer. ``schedule`` is ``"constant"`` or ``"cosine"``, which needs the learner's ``iterations``.
    ``clip_value`` bounds each element of the meta-gradient, ``clip_norm`` its Euclidean norm."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    schedule: str = "constant"
    clip_value: float | None = None
    clip_norm: float | None = None

    def _engine(self) -> dict[str, Any]:
        return {"kind": "adam", **dataclasses.asdict(self)}


@dataclass(eq=False, repr=False)
class SGD(Setting):
    """Gradient descent as the outer optimizer; for Reptile ``lr`` is the share of the way that is gone."""

    lr: float = 1e-2
    schedule: str = "constant"
    clip_value: float | None = None
    clip_norm: float | None = None

    def _engine(self) -> dict[str, Any]:
        return {"kind": "sgd", **dataclasses.asdict(self)}


@dataclass(eq=False, repr=False)
class _Inner(Setting):
    """What every inner optimizer has: decay, and bounds of the gradient. All of it is differentiated through."""

    weight_decay: float = dataclasses.field(default=0.0, kw_only=True)
    clip_value: float | None = dataclasses.field(default=None, kw_only=True)
    clip_norm: float | None = dataclasses.field(default=None, kw_only=True)

    def _rule(self) -> dict[str, Any]:
        raise NotImplementedError

    def _engine(self) -> dict[str, Any]:
        common = {key: getattr(self, key) for key in ("weight_decay", "clip_value", "clip_norm")}
        return {"rule": self._rule(), **common}


@dataclass(eq=False, repr=False)
class InnerSGD(_Inner):
    """``θ ← θ − α g``, the default."""

    def _rule(self) -> dict[str, Any]:
        return {"optimizer": "sgd"}


@dataclass(eq=False, repr=False)
class InnerMomentum(_Inner):
    """Heavy ball: ``m ← μ m + g``, ``θ ← θ − α m``."""

    momentum: float = 0.9

    def _rule(self) -> dict[str, Any]:
        return {"optimizer": "momentum", "momentum": self.momentum}


@dataclass(eq=False, repr=False)
class InnerNesterov(_Inner):
    """Nesterov's momentum: ``θ ← θ − α (g + μ m)``."""

    momentum: float = 0.9

    def _rule(self) -> dict[str, Any]:
        return {"optimizer": "nesterov", "momentum": self.momentum}


@dataclass(eq=False, repr=False)
class InnerRMSprop(_Inner):
    """RMSprop, ε under the root."""

    decay: float = 0.99
    eps: float = 1e-8

    def _rule(self) -> dict[str, Any]:
        return {"optimizer": "rmsprop", "decay": self.decay, "eps": self.eps}


@dataclass(eq=False, repr=False)
class InnerAdam(_Inner):
    """Adam with bias correction, ε under the root. With few inner steps a larger ε does better."""

    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def _rule(self) -> dict[str, Any]:
        return {"optimizer": "adam", "betas": list(self.betas), "eps": self.eps}


@dataclass(eq=False, repr=False)
class MSE(Setting):
    """The mean squared error."""

    def _engine(self) -> Any:
        return "mse"


@dataclass(eq=False, repr=False)
class Huber(Setting):
    """Huber's loss: squares up to ``delta``, absolute values beyond."""

    delta: float = 1.0

    def _engine(self) -> Any:
        return {"type": "huber", "delta": self.delta}


@dataclass(eq=False, repr=False)
class BCEWithLogits(Setting):
    """Binary cross-entropy of the logistic function of the outputs; targets are numbers from 0 to 1."""

    def _engine(self) -> Any:
        return "bce_with_logits"


@dataclass(eq=False, repr=False)
class CrossEntropy(Setting):
    """Softmax cross-entropy against class indices."""

    label_smoothing: float = 0.0

    def _engine(self) -> Any:
        return {"type": "cross_entropy", "label_smoothing": self.label_smoothing}
