"""Ops: what the nodes of a model compute, named and set as in ``torch.nn``.

An op is a value: it has no parameters of its own, which belong to the learner.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from ._value import Value

__all__ = [
    "Add", "AvgPool2d", "BatchNorm", "Concat", "Conv1d", "Conv2d", "ELU", "Flatten", "Fourier", "GELU",
    "GlobalAvgPool2d", "GroupNorm", "InstanceNorm", "Latent", "LayerNorm", "LeakyReLU", "Linear", "MaxPool2d", "Mul",
    "Op", "ReLU", "SiLU", "Sigmoid", "Sine", "Softplus", "Tanh",
]  # fmt: skip

CLASSES: dict[str, type[Op]] = {}


class Op(Value):
    """An op of a model. ``op.of("a", "b")`` is the same op with the nodes named whose outputs it takes in a ``Graph``."""

    _type = ""

    def __init_subclass__(cls) -> None:
        CLASSES[cls.__name__] = cls

    def of(self, *inputs: str) -> Wired:
        """The op with the names of the nodes that it takes; ``"input"`` is the model's input."""
        return Wired(self, inputs)

    def _settings(self) -> dict[str, Any]:
        """The op as the engine reads it."""
        return {"type": self._type, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    def _takes(self) -> int | None:
        """Features or channels that it was declared to take, where it was."""
        return None

    def _inputs(self) -> tuple[str, ...] | None:
        """Names of what it takes, where they belong to the op."""
        return None


@dataclass(eq=False, repr=False)
class Wired(Value):
    """An op with the names of the nodes that it takes."""

    op: Op
    inputs: tuple[str, ...]


def read(settings: dict[str, Any]) -> Op:
    """An op from what ``write`` gave."""
    settings = dict(settings)
    name = settings.pop("class")
    if name not in CLASSES:
        raise ValueError(f"there is no op `{name}` in this version")
    tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    names = tuples.pop("inputs", None) if name in ("Add", "Mul", "Concat") else None
    return CLASSES[name](*names) if names is not None else CLASSES[name](**tuples)


def write(op: Op) -> dict[str, Any]:
    """An op as JSON holds it."""
    return {"class": type(op).__name__, **dataclasses.asdict(op)}  # type: ignore[call-overload]


@dataclass(eq=False, repr=False)
class Linear(Op):
    """``y = W x + b`` of vectors, ``W`` ``[out_features, in_features]``."""

    in_features: int
    out_features: int
    bias: bool = True
    _type = "linear"

    def _settings(self) -> dict[str, Any]:
        return {"type": "linear", "outputs": self.out_features, "bias": self.bias}

    def _takes(self) -> int:
        return self.in_features


@dataclass(eq=False, repr=False)
class Conv2d(Op):
    """Cross-correlation of images with zero padding, ``W`` ``[out_channels, in_channels / groups, rows, columns]``.

    ``kernel_size`` and ``padding`` are a number of pixels or ``(rows, columns)``.
    """

    in_channels: int
    out_channels: int
    kernel_size: int | tuple[int, int]
    stride: int = 1
    padding: int | tuple[int, int] = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    _type = "conv2d"

    def _settings(self) -> dict[str, Any]:
        return {
            "type": "conv2d", "outputs": self.out_channels, "kernel": self.kernel_size, "stride": self.stride,
            "padding": self.padding, "dilation": self.dilation, "groups": self.groups, "bias": self.bias,
        }  # fmt: skip

    def _takes(self) -> int:
        return self.in_channels


@dataclass(eq=False, repr=False)
class Conv1d(Op):
    """Cross-correlation along the columns of an image of one row, ``(channels, 1, columns)``: how a series of several
    channels lies."""

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    bias: bool = True
    _type = "conv1d"

    def _settings(self) -> dict[str, Any]:
        return {
            "type": "conv1d", "outputs": self.out_channels, "kernel": self.kernel_size, "stride": self.stride,
            "padding": self.padding, "dilation": self.dilation, "groups": self.groups, "bias": self.bias,
        }  # fmt: skip

    def _takes(self) -> int:
        return self.in_channels


@dataclass(eq=False, repr=False)
class BatchNorm(Op):
    """``γ (x − μ) / √(σ² + ε) + β`` of each feature or channel, with mean and variance of the points at hand, in adaptation
    as in training: no running averages."""

    eps: float = 1e-5
    affine: bool = True
    _type = "batch_norm"


@dataclass(eq=False, repr=False)
class LayerNorm(Op):
    """The same over all elements of a point; γ and β have the point's shape."""

    eps: float = 1e-5
    affine: bool = True
    _type = "layer_norm"


@dataclass(eq=False, repr=False)
class GroupNorm(Op):
    """The same over each of ``groups`` groups of a point's channels; γ and β are a number a channel."""

    groups: int
    eps: float = 1e-5
    affine: bool = True
    _type = "group_norm"


@dataclass(eq=False, repr=False)
class InstanceNorm(Op):
    """The same over each channel of a point."""

    eps: float = 1e-5
    affine: bool = True
    _type = "instance_norm"


@dataclass(eq=False, repr=False)
class MaxPool2d(Op):
    """The largest value of each window inside the image; ``stride`` is that of windows side by side unless given."""

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    _type = "max_pool2d"

    def _settings(self) -> dict[str, Any]:
        stride = {} if self.stride is None else {"stride": self.stride}
        return {"type": self._type, "kernel": self.kernel_size, **stride}


@dataclass(eq=False, repr=False)
class AvgPool2d(MaxPool2d):
    """The mean of each window inside the image."""

    _type = "avg_pool2d"


@dataclass(eq=False, repr=False)
class GlobalAvgPool2d(Op):
    """The mean of each channel: an image becomes a vector."""

    _type = "global_avg_pool2d"


@dataclass(eq=False, repr=False)
class Flatten(Op):
    """An image as a vector: channel, row, column."""

    _type = "flatten"


class _Several(Op):
    """An op of several values, which it names."""

    inputs: tuple[str, ...]

    def _settings(self) -> dict[str, Any]:
        return {"type": self._type}

    def _inputs(self) -> tuple[str, ...] | None:
        return self.inputs or None


@dataclass(eq=False, repr=False, init=False)
class Add(_Several):
    """``x₁ + x₂ + …`` of nodes of one shape, by their names: ``Add("a", "b")``."""

    inputs: tuple[str, ...] = ()
    _type = "add"

    def __init__(self, *inputs: str) -> None:
        self.inputs = inputs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.inputs))})"


@dataclass(eq=False, repr=False, init=False)
class Mul(Add):
    """``x₁ ⊙ x₂ ⊙ …``, likewise."""

    _type = "mul"


@dataclass(eq=False, repr=False, init=False)
class Concat(Add):
    """Values side by side along features or channels, likewise."""

    _type = "concat"


@dataclass(eq=False, repr=False)
class Fourier(Op):
    """``[sin 2πBx, cos 2πBx]`` of a vector, all sines first, with a fixed random matrix ``B`` ``[features, inputs]`` of
    deviation ``scale``."""

    features: int
    scale: float = 1.0
    _type = "fourier"


@dataclass(eq=False, repr=False)
class Latent(Op):
    """A vector of parameters with one row for the whole task; takes no input."""

    size: int
    _type = "latent"


@dataclass(eq=False, repr=False)
class ReLU(Op):
    """``max(x, 0)``."""

    _type = "relu"


@dataclass(eq=False, repr=False)
class LeakyReLU(Op):
    """``x`` above 0, ``negative_slope · x`` below."""

    negative_slope: float = 0.01
    _type = "leaky_relu"


@dataclass(eq=False, repr=False)
class ELU(Op):
    """``x`` above 0, ``alpha (eˣ − 1)`` below."""

    alpha: float = 1.0
    _type = "elu"


@dataclass(eq=False, repr=False)
class Tanh(Op):
    """The hyperbolic tangent."""

    _type = "tanh"


@dataclass(eq=False, repr=False)
class Sigmoid(Op):
    """``1 / (1 + e⁻ˣ)``."""

    _type = "sigmoid"


@dataclass(eq=False, repr=False)
class SiLU(Op):
    """``x / (1 + e⁻ˣ)``."""

    _type = "silu"


@dataclass(eq=False, repr=False)
class GELU(Op):
    """``x Φ(x)``, or with ``approximate="tanh"`` its usual approximation."""

    approximate: str = "none"
    _type = "gelu"


@dataclass(eq=False, repr=False)
class Softplus(Op):
    """``ln(1 + eˣ)``."""

    _type = "softplus"


@dataclass(eq=False, repr=False)
class Sine(Op):
    """``sin(omega · x)``, as in a SIREN."""

    omega: float = 1.0
    _type = "sine"
