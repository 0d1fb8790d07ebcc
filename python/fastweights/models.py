"""Models: sequences and graphs of ops, and networks that people know by name."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from . import _engine
from . import ops as _ops
from .ops import Op, Wired

__all__ = ["Conv4", "Graph", "MLP", "Model", "ResNet12", "SIREN", "Sequential", "WideResNet"]

CLASSES: dict[str, type[Model]] = {}


def _numbers(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(int(side) for side in shape)


class Model:
    """What a learner learns: the shape of a point, nodes, and the names and shapes of parameters.

    A model has no parameters of its own. Parameters are called as in ``torch.nn``: ``0.weight`` in a sequence,
    ``<node>.weight`` in a graph.
    """

    input_shape: tuple[int, ...]
    _built: _engine.Model

    def __init_subclass__(cls) -> None:
        CLASSES[cls.__name__] = cls

    @property
    def outputs(self) -> int:
        """Elements of an output."""
        return self._built.outputs

    @property
    def inputs(self) -> int:
        """Elements of a point."""
        return prod(self.input_shape)

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the parameters, in the order in which they lie in a flat vector."""
        return {name: tuple(shape) for name, shape, _ in self._built.params()}

    @property
    def parameter_count(self) -> int:
        """Numbers of all parameters."""
        return self._built.param_count

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """The nodes: name, op, inputs, shape of what comes out, number of parameters."""
        keys = ("name", "op", "inputs", "shape", "parameters")
        return [dict(zip(keys, node)) for node in self._built.nodes()]

    def _usual_init(self) -> str | None:
        """How parameters are drawn if nothing else is asked for."""
        return None

    def _write(self) -> dict[str, Any]:
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_built"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._build()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self._write() == other._write()

    __hash__ = None  # type: ignore[assignment]

    def _build(self) -> None:
        raise NotImplementedError


def read(settings: dict[str, Any]) -> Model:
    """A model from what ``_write`` gave."""
    settings = dict(settings)
    name = settings.pop("class")
    if name not in CLASSES:
        raise ValueError(f"there is no model `{name}` in this version")
    return CLASSES[name]._read(settings)  # type: ignore[attr-defined]


class _OfLayers(Model):
    """A model of ops with names and inputs."""

    _nodes: list[tuple[str | None, Op, tuple[str, ...] | None]]

    def _build(self) -> None:
        layers = []
        for name, op, inputs in self._nodes:
            named = {} if name is None else {"name": name}
            wired = {} if inputs is None else {"inputs": list(inputs)}
            layers.append({**op._settings(), **named, **wired})
        self._built = _engine.Model.of_layers(list(self.input_shape), json.dumps(layers))
        self._check_declared()

    def _check_declared(self) -> None:
        """What ops were declared to take against what they get."""
        shapes = {"input": list(self.input_shape)}
        got = {}
        for name, _, inputs, shape, _ in self._built.nodes():
            shapes[name] = shape
            got[name] = inputs
        for i, (name, op, _) in enumerate(self._nodes):
            name, declared = name or str(i), op._takes()
            found = shapes[got[name][0]][0] if got[name] else None
            if declared is not None and found is not None and declared != found:
                what = "channels" if isinstance(op, (_ops.Conv2d, _ops.Conv1d)) else "features"
                raise ValueError(f"layer {name} ({op}) is to take {declared} {what}, but {got[name][0]} has {found}")


def _first_shape(ops: Sequence[Op], given: int | Sequence[int] | None) -> tuple[int, ...]:
    for op in ops:
        if not isinstance(op, Op):
            made = f"; call it, {op.__name__}(…)" if isinstance(op, type) and issubclass(op, Op) else ""
            raise TypeError(f"a layer is {op!r}, which is no op, see fastweights.ops{made}")
    if given is not None:
        return _numbers(given)
    if ops and isinstance(ops[0], _ops.Linear):
        return (ops[0].in_features,)
    raise ValueError(
        "input_shape is missing: the first layer does not say what a point is; give input_shape=(features,) or "
        "(channels, height, width)"
    )


class Sequential(_OfLayers):
    """Ops one behind the other.

    >>> Sequential(Linear(1, 40), ReLU(), Linear(40, 1))                    # points of one number
    >>> Sequential(Conv2d(1, 8, 3), ReLU(), Flatten(), Linear(5408, 5), input_shape=(1, 28, 28))

    ``input_shape`` is the shape of a point: ``(features,)`` or ``(channels, height, width)``; a first ``Linear`` says it.
    """

    def __init__(self, *ops: Op, input_shape: int | Sequence[int] | None = None) -> None:
        self.ops = ops
        self._nodes = [(None, op, None) for op in ops]
        self.input_shape = _first_shape(ops, input_shape)
        self._build()

    def _write(self) -> dict[str, Any]:
        return {
            "class": "Sequential",
            "input_shape": list(self.input_shape),
            "ops": [_ops.write(op) for op in self.ops],
        }

    @classmethod
    def _read(cls, settings: dict[str, Any]) -> Sequential:
        return cls(*map(_ops.read, settings["ops"]), input_shape=settings["input_shape"])

    def __repr__(self) -> str:
        lines = "".join(f"  ({i}): {op}\n" for i, op in enumerate(self.ops))
        return f"Sequential(  # {self.input_shape} -> {self.outputs}, {self.parameter_count} parameters\n{lines})"


class Graph(_OfLayers):
    """Nodes with names; the last one is the output.

    >>> Graph({
    ...     "first": Linear(1, 40),
    ...     "act": ReLU(),
    ...     "second": Linear(40, 40),
    ...     "sum": Add("act", "second"),
    ...     "out": Linear(40, 1),
    ... })

    A node takes the one before it unless it names what it takes, ``Linear(1, 40).of("input")``; ``Add``, ``Mul`` and
    ``Concat`` name it themselves. ``"input"`` is the model's input.
    """

    def __init__(self, nodes: Mapping[str, Op | Wired], input_shape: int | Sequence[int] | None = None) -> None:
        self._nodes = []
        for name, node in nodes.items():
            op, inputs = (node.op, node.inputs) if isinstance(node, Wired) else (node, None)
            if inputs is None and isinstance(op, Op):
                inputs = op._inputs()
            self._nodes.append((name, op, inputs))
        ops = [op for _, op, _ in self._nodes if not isinstance(op, _ops.Latent)]
        self.input_shape = _first_shape(ops, input_shape)
        self._build()

    def _write(self) -> dict[str, Any]:
        nodes = [[name, _ops.write(op), inputs and list(inputs)] for name, op, inputs in self._nodes]
        return {"class": "Graph", "input_shape": list(self.input_shape), "nodes": nodes}

    @classmethod
    def _read(cls, settings: dict[str, Any]) -> Graph:
        nodes = {}
        for name, op, inputs in settings["nodes"]:
            nodes[name] = _ops.read(op) if inputs is None else _ops.read(op).of(*inputs)
        return cls(nodes, settings["input_shape"])

    def __repr__(self) -> str:
        lines = ""
        for name, op, inputs in self._nodes:
            of = "" if inputs is None or op._inputs() is not None else f" of {', '.join(inputs)}"
            lines += f"  ({name}): {op}{of}\n"
        return f"Graph(  # {self.input_shape} -> {self.outputs}, {self.parameter_count} parameters\n{lines})"


class _Preset(Model):
    """A network by its name."""

    _preset = ""

    def _start(self, input_shape: int | Sequence[int], outputs: int, **settings: Any) -> None:
        self.input_shape, self._outputs = _numbers(input_shape), outputs
        self._settings = {key: value for key, value in settings.items() if value is not None}
        self._build()

    def _network(self) -> str:
        settings = {key: _function(value) for key, value in self._settings.items()}
        return json.dumps({"preset": self._preset, **settings})

    def _build(self) -> None:
        self._built = _engine.Model.of_preset(list(self.input_shape), self._outputs, self._network())

    def _usual_init(self) -> str | None:
        return _engine.Model.init_of_preset(self._network())

    def _write(self) -> dict[str, Any]:
        settings = {k: _ops.write(v) if isinstance(v, Op) else v for k, v in self._settings.items()}
        return {"class": type(self).__name__, "input_shape": list(self.input_shape), "outputs": self._outputs, **settings}

    @classmethod
    def _read(cls, settings: dict[str, Any]) -> _Preset:
        settings = {k: _ops.read(v) if isinstance(v, dict) else v for k, v in settings.items()}
        known = inspect.signature(cls.__init__).parameters
        return cls(**{k: v for k, v in settings.items() if k in known})

    def __repr__(self) -> str:
        settings = "".join(f", {key}={value!r}" for key, value in self._settings.items())
        return (
            f"{type(self).__name__}({self.input_shape}, {self._outputs}{settings})"
            f"  # {self.parameter_count} parameters"
        )


def _function(value: Any) -> Any:
    return value._settings() if isinstance(value, Op) else value


class MLP(_Preset):
    """Linear layers with a function between them, from points of shape ``input_shape`` to vectors of ``outputs``."""

    _preset = "mlp"

    def __init__(
        self,
        input_shape: int | Sequence[int],
        hidden: Sequence[int] = (40, 40),
        outputs: int = 1,
        activation: Op | None = None,
    ) -> None:
        self._start(input_shape, outputs, hidden=list(hidden), activation=activation)


class Conv4(_Preset):
    """Four blocks of a 3 × 3 convolution, batch norm and a function, and a linear layer.

    ``downsample`` is ``"pool"`` (2 × 2 max-pooling behind each block, then flattened) or ``"stride"`` (convolutions of
    stride 2, then the mean of each channel).
    """

    _preset = "conv4"

    def __init__(
        self,
        input_shape: Sequence[int] = (1, 28, 28),
        outputs: int = 5,
        channels: int | Sequence[int] = 64,
        downsample: str = "pool",
        activation: Op | None = None,
    ) -> None:
        channels = [channels] * 4 if isinstance(channels, int) else list(channels)
        self._start(input_shape, outputs, channels=channels, downsample=downsample, activation=activation)


class ResNet12(_Preset):
    """Four residual blocks of three 3 × 3 convolutions with batch norm, and a linear layer; weights start as of He et al."""

    _preset = "resnet12"

    def __init__(
        self,
        input_shape: Sequence[int] = (3, 84, 84),
        outputs: int = 5,
        channels: Sequence[int] = (64, 160, 320, 640),
        activation: Op | None = None,
    ) -> None:
        self._start(input_shape, outputs, channels=list(channels), activation=activation)


class WideResNet(_Preset):
    """A wide residual network of Zagoruyko and Komodakis (2016), usually of depth 28 and width 10."""

    def __init__(
        self,
        input_shape: Sequence[int] = (3, 84, 84),
        outputs: int = 5,
        depth: int = 28,
        width: int = 10,
        activation: Op | None = None,
    ) -> None:
        self._preset, self._sizes = f"wrn-{depth}-{width}", (depth, width)
        self._start(input_shape, outputs, activation=activation)

    def _write(self) -> dict[str, Any]:
        return {**super()._write(), "depth": self._sizes[0], "width": self._sizes[1]}

    def __repr__(self) -> str:
        depth, width = self._sizes
        return super().__repr__().replace(")  #", f", depth={depth}, width={width})  #")


class SIREN(_Preset):
    """Linear layers with sines between them (Sitzmann et al. 2020), drawn as the paper has it.

    A ``latent`` of so many numbers shifts what goes into every sine (Dupont et al. 2022); 0: none.
    """

    _preset = "siren"

    def __init__(
        self,
        input_shape: int | Sequence[int] = 2,
        hidden: Sequence[int] = (256, 256, 256),
        outputs: int = 1,
        omega: float = 30.0,
        first_omega: float = 30.0,
        latent: int = 0,
    ) -> None:
        self._start(
            input_shape, outputs, hidden=list(hidden), omega=omega, first_omega=first_omega, latent=latent
        )
