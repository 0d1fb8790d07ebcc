"""Modules of PyTorch as models: what ``torch.fx`` sees, op by op."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from . import _engine
from .models import Model

_HERE = re.compile(r'File "([^"]+)", line (\d+), in (\w+)')


def _line(node: fx.Node) -> str:
    """Where a node is written, for a message."""
    places = [p for p in _HERE.findall(node.stack_trace or "") if "/torch/" not in p[0] and p[0] != __file__]
    return f" ({places[-1][0]}, line {places[-1][1]})" if places else ""


def _refuse(node: fx.Node, what: str, reason: str) -> ValueError:
    return ValueError(f"{what}{_line(node)}: {reason}")


def _both(value: Any) -> list[int]:
    return list(value) if isinstance(value, (tuple, list)) else [value, value]


def _one(value: Any) -> int:
    sides = list(value) if isinstance(value, (tuple, list)) else [value]
    if len(set(sides)) != 1:
        raise ValueError(f"it has {tuple(sides)}; one number for both sides is needed")
    return sides[0]


def _conv(m: Any) -> dict[str, Any]:
    if m.padding_mode != "zeros" or isinstance(m.padding, str):
        raise ValueError(f"padding is {m.padding!r}, {m.padding_mode!r}; a number of zeros is needed")
    kernel, padding = list(m.kernel_size), list(m.padding)
    if isinstance(m, nn.Conv1d):
        kernel, padding = [1, *kernel], [0, *padding]
    return {
        "type": "conv2d", "outputs": m.out_channels, "kernel": kernel, "padding": padding, "stride": _one(m.stride),
        "dilation": _one(m.dilation), "groups": m.groups, "bias": m.bias is not None,
    }  # fmt: skip


def _window(kind: str, kernel: Any, stride: Any, padding: Any, plain: bool, one_row: bool) -> dict[str, Any]:
    if _both(padding) != [0, 0] and _both(padding) != [0]:
        raise ValueError(f"padding is {padding}; windows inside the image are needed")
    if not plain:
        raise ValueError("dilation, ceil_mode and return_indices are not for it")
    sides = (lambda value: [1, *_both(value)[:1]]) if one_row else _both
    return {"type": kind, "kernel": sides(kernel), "stride": sides(kernel if stride is None else stride)}


def _max_pool(m: Any) -> dict[str, Any]:
    plain = _both(m.dilation)[0] == 1 and not m.ceil_mode and not m.return_indices
    return _window("max_pool2d", m.kernel_size, m.stride, m.padding, plain, isinstance(m, nn.MaxPool1d))


def _avg_pool(m: Any) -> dict[str, Any]:
    plain = not m.ceil_mode and getattr(m, "divisor_override", None) is None
    return _window("avg_pool2d", m.kernel_size, m.stride, m.padding, plain, isinstance(m, nn.AvgPool1d))


def _norm(m: Any) -> dict[str, Any]:
    if m.track_running_stats and not m.training:
        raise ValueError(
            "it would take its running averages, and here a batch norm takes the statistics of the points at hand: call "
            "train(), or make it with track_running_stats=False"
        )
    kind = "instance_norm" if isinstance(m, (nn.InstanceNorm1d, nn.InstanceNorm2d)) else "batch_norm"
    return {"type": kind, "eps": m.eps, "affine": m.affine}


def _layer_norm(m: nn.LayerNorm) -> dict[str, Any]:
    if m.elementwise_affine and m.bias is None:
        raise ValueError("it has no bias; a shift, or no scale either, is needed")
    return {"type": "layer_norm", "eps": m.eps, "affine": m.elementwise_affine}


def _adaptive(m: Any) -> dict[str, Any]:
    if set(_both(m.output_size)) != {1}:
        raise ValueError(f"output_size is {m.output_size}; 1 is needed")
    return {"type": "global_avg_pool2d"}


def _dropout(m: Any) -> None:
    if m.training and m.p > 0:
        raise ValueError(f"it drops a share of {m.p} at random; set p=0, call eval() on it, or take it away")


def _flat(m: nn.Flatten) -> dict[str, Any]:
    if (m.start_dim, m.end_dim) != (1, -1):
        raise ValueError("only whole points are flattened, start_dim=1 and end_dim=-1")
    return {"type": "flatten"}


def _gelu(approximate: str) -> dict[str, Any]:
    return {"type": "gelu_tanh" if approximate == "tanh" else "gelu"}


def _softplus(m: nn.Softplus) -> dict[str, Any]:
    if m.beta != 1:
        raise ValueError(f"beta is {m.beta}; 1 is needed")
    return {"type": "softplus"}


_MODULES: dict[type, Callable[[Any], dict[str, Any] | None]] = {
    nn.Linear: lambda m: {"type": "linear", "outputs": m.out_features, "bias": m.bias is not None},
    nn.Conv2d: _conv, nn.Conv1d: _conv,
    nn.BatchNorm1d: _norm, nn.BatchNorm2d: _norm, nn.InstanceNorm1d: _norm, nn.InstanceNorm2d: _norm,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: lambda m: {"type": "group_norm", "groups": m.num_groups, "eps": m.eps, "affine": m.affine},
    nn.MaxPool2d: _max_pool, nn.MaxPool1d: _max_pool, nn.AvgPool2d: _avg_pool, nn.AvgPool1d: _avg_pool,
    nn.AdaptiveAvgPool2d: _adaptive, nn.AdaptiveAvgPool1d: _adaptive,
    nn.Flatten: _flat, nn.Identity: lambda m: None, nn.Dropout: _dropout, nn.Dropout2d: _dropout,
    nn.ReLU: lambda m: {"type": "relu"},
    nn.LeakyReLU: lambda m: {"type": "leaky_relu", "negative_slope": m.negative_slope},
    nn.ELU: lambda m: {"type": "elu", "alpha": m.alpha},
    nn.Tanh: lambda m: {"type": "tanh"}, nn.Sigmoid: lambda m: {"type": "sigmoid"}, nn.SiLU: lambda m: {"type": "silu"},
    nn.GELU: lambda m: _gelu(m.approximate), nn.Softplus: _softplus,
}  # fmt: skip


def _relu(_: Any = None, inplace: bool = False) -> dict[str, Any]:
    return {"type": "relu"}


def _leaky(_: Any, negative_slope: float = 0.01, inplace: bool = False) -> dict[str, Any]:
    return {"type": "leaky_relu", "negative_slope": negative_slope}


def _elu(_: Any, alpha: float = 1.0, inplace: bool = False) -> dict[str, Any]:
    return {"type": "elu", "alpha": alpha}


def _max(_: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
         return_indices: bool = False) -> dict[str, Any]:  # fmt: skip
    plain = _both(dilation)[0] == 1 and not ceil_mode and not return_indices
    return _window("max_pool2d", kernel_size, stride, padding, plain, False)


def _avg(_: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False) -> dict[str, Any]:
    return _window("avg_pool2d", kernel_size, stride, padding, not ceil_mode, False)


def _pooled(_: Any, output_size: Any) -> dict[str, Any]:
    if set(_both(output_size)) != {1}:
        raise ValueError(f"output_size is {output_size}; 1 is needed")
    return {"type": "global_avg_pool2d"}


def _mean(_: Any, dim: Any = None, keepdim: bool = False) -> dict[str, Any]:
    if sorted(d % 4 for d in (dim if isinstance(dim, (tuple, list)) else [dim or 0])) != [2, 3]:
        raise ValueError(f"its dim is {dim}; the mean over the rows and columns of an image, dim=(2, 3), is needed")
    return {"type": "global_avg_pool2d"}


def _flatten(_: Any, start_dim: int = 0, end_dim: int = -1) -> dict[str, Any]:
    if (start_dim, end_dim) != (1, -1):
        raise ValueError("only whole points are flattened, start_dim=1")
    return {"type": "flatten"}


def _view(_: Any, *shape: Any) -> dict[str, Any]:
    shape = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    if len(shape) != 2 or shape[1] != -1 or isinstance(shape[0], int):
        raise ValueError(f"its shape is {shape}; only a point is flattened, x.view(x.size(0), -1)")
    return {"type": "flatten"}


def _plain(kind: str) -> Callable[..., dict[str, Any]]:
    return lambda _: {"type": kind}


_FUNCTIONS: dict[Any, Callable[..., dict[str, Any]]] = {
    F.relu: _relu, torch.relu: _relu, F.leaky_relu: _leaky, F.elu: _elu,
    torch.tanh: _plain("tanh"), F.tanh: _plain("tanh"), torch.sigmoid: _plain("sigmoid"), F.sigmoid: _plain("sigmoid"),
    F.silu: lambda _, inplace=False: {"type": "silu"}, F.gelu: lambda _, approximate="none": _gelu(approximate),
    F.max_pool2d: _max, F.avg_pool2d: _avg, F.adaptive_avg_pool2d: _pooled,
    torch.flatten: _flatten, torch.mean: _mean,
}  # fmt: skip
_METHODS: dict[str, Callable[..., dict[str, Any]]] = {
    "relu": _relu, "tanh": _plain("tanh"), "sigmoid": _plain("sigmoid"), "flatten": _flatten, "mean": _mean, "view": _view,
    "reshape": _view,
}  # fmt: skip
_SEVERAL = {
    operator.add: "add", operator.iadd: "add", torch.add: "add", operator.mul: "mul", operator.imul: "mul", torch.mul: "mul",
}  # fmt: skip
_SINES = {torch.sin: 0, "sin": 0}


class _Tracer(fx.Tracer):
    record_stack_traces = True


class Traced(Model):
    """A model of a module; ``places`` is, for each parameter in the order of the flat vector, its name in the module."""

    def __init__(self, module: nn.Module, input_shape: Sequence[int] | None) -> None:
        walk = _Walk(module)
        self._layers = walk.layers
        shape = walk.input_shape if input_shape is None else tuple(input_shape)
        if shape is None:
            raise ValueError(
                "input_shape is missing: the first layer does not say what a point is; give (features,) or (channels, height, width)"
            )
        # A series of several channels is an image of one row.
        self.input_shape = (shape[0], 1, shape[1]) if len(shape) == 2 else tuple(shape)
        self._build()
        own = dict(module.named_parameters())
        self.places = [walk.names.get(name, name) for name in self.parameters]
        self._check(own)

    def _build(self) -> None:
        self._built = _engine.Model.of_layers(list(self.input_shape), json.dumps(self._layers))

    def _check(self, own: dict[str, nn.Parameter]) -> None:
        for (name, shape), place in zip(self.parameters.items(), self.places):
            found = tuple(own[place].shape)
            if found != shape and found != tuple(side for i, side in enumerate(shape) if not (len(shape) == 4 and i == 2)):
                raise ValueError(f"parameter {place} is {list(found)}, but {list(shape)} is needed: {name} works on whole points")
        strange = sorted(own.keys() - set(self.places))
        if strange:
            raise ValueError(f"parameters that nothing of the module's forward uses: {', '.join(strange)}")

    def _write(self) -> dict[str, Any]:
        return {"class": "Layers", "input_shape": list(self.input_shape), "layers": self._layers}

    def __repr__(self) -> str:
        lines = "".join(f"  ({n['name']}): {n['op']} of {', '.join(n['inputs'])}\n" for n in self.nodes)
        return f"Model(  # {self.input_shape} -> {self.outputs}, {self.parameter_count} parameters\n{lines})"


class Layers(Model):
    """A model of layers as the engine has them: what is saved of a module."""

    def __init__(self, layers: list[dict[str, Any]], input_shape: Sequence[int]) -> None:
        self._layers, self.input_shape = layers, tuple(input_shape)
        self._build()

    _build = Traced._build
    _write = Traced._write
    __repr__ = Traced.__repr__

    @classmethod
    def _read(cls, settings: dict[str, Any]) -> Layers:
        return cls(settings["layers"], settings["input_shape"])


class _Walk:
    """The nodes of a module's forward, one after the other."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.layers: list[dict[str, Any]] = []
        self.input_shape: tuple[int, ...] | None = None
        # Of parameters whose names are others in the module.
        self.names: dict[str, str] = {}
        self._value: dict[fx.Node, str] = {}
        self._vector: set[str] = set()
        self._omega: dict[fx.Node, tuple[fx.Node, float]] = {}
        self._called: dict[str, fx.Node] = {}
        try:
            graph = _Tracer().trace(module)
        except Exception as error:
            raise ValueError(f"torch.fx cannot trace {type(module).__name__}: {error}") from error
        self._inputs = 0
        for node in graph.nodes:
            self._take(node)

    def _take(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self._inputs += 1
            if self._inputs > 1:
                raise _refuse(node, f"input `{node.name}`", "a model takes points alone, one input")
            self._value[node] = "input"
        elif node.op == "get_attr":
            self._parameter(node)
        elif node.op == "call_module":
            self._call_module(node)
        elif node.op == "output":
            self._end(node)
        else:
            self._call(node)

    def _end(self, node: fx.Node) -> None:
        (result,) = node.args
        if not isinstance(result, fx.Node) or result not in self._value:
            raise _refuse(node, "the module's output", "one tensor is needed")
        last = self._value[result]
        # The engine's output is its last node.
        at = next((i for i, layer in enumerate(self.layers) if layer["name"] == last), None)
        if at is None:
            raise _refuse(node, "the module's output", "it is its input")
        self.layers.append(self.layers.pop(at))

    def _parameter(self, node: fx.Node) -> None:
        target, value = str(node.target), self.module
        for part in target.split("."):
            value = getattr(value, part)
        if not isinstance(value, nn.Parameter) or value.dim() != 1:
            raise _refuse(node, f"`{target}`", "it is no layer's; of parameters on their own, vectors (a latent) can be taken")
        name = self._add(node, target, {"type": "latent", "size": len(value)}, [])
        self.names[f"{name}.weight"] = target

    def _name(self, wanted: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_.]", "_", wanted)
        taken = {layer["name"] for layer in self.layers} | {"input"}
        name, n = plain, 1
        while name in taken:
            name, n = f"{plain}_{n}", n + 1
        return name

    def _add(self, node: fx.Node, wanted: str, op: dict[str, Any], inputs: list[fx.Node]) -> str:
        for value in inputs:
            if value in self._omega:
                raise _refuse(value, f"`{value.name}`", "a product with a number is taken inside a sine alone, torch.sin(omega * x)")
        names = [self._value[value] for value in inputs]
        if op["type"] == "flatten" and names[0] in self._vector:
            self._value[node] = names[0]
            return names[0]
        name = self._name(wanted)
        wired = {} if op["type"] == "latent" else {"inputs": names}
        self.layers.append({"name": name, **op, **wired})
        self._value[node] = name
        elementwise = op["type"] not in ("conv2d", "max_pool2d", "avg_pool2d", "linear", "flatten", "global_avg_pool2d", "latent")
        if op["type"] in ("linear", "flatten", "global_avg_pool2d", "latent") or (
            elementwise and names and all(n in self._vector for n in names)
        ):
            self._vector.add(name)
        return name

    def _call_module(self, node: fx.Node) -> None:
        target = str(node.target)
        module = self.module.get_submodule(target)
        make = _MODULES.get(type(module))
        what = f"`{target}`, {type(module).__name__}"
        if make is None:
            raise _refuse(node, what, f"there is no such op; there are {_known()}")
        if target in self._called and any(True for _ in module.parameters()):
            raise _refuse(node, what, "it is called twice; parameters belong to one place")
        self._called[target] = node
        (value,) = node.args
        if value not in self._value:
            raise _refuse(node, what, "it takes what is no value of points")
        try:
            op = make(module)
        except ValueError as error:
            raise _refuse(node, what, str(error)) from None
        if op is None:
            self._value[node] = self._value[value]
            return
        if op["type"] == "linear" and self._value[value] == "input":
            self.input_shape = (module.in_features,)
        name = self._add(node, target, op, [value])
        for parameter, _ in module.named_parameters():
            self.names[f"{name}.{parameter}"] = f"{target}.{parameter}"

    def _call(self, node: fx.Node) -> None:
        target = node.target
        called = target if isinstance(target, str) else getattr(target, "__name__", str(target))
        what = f"`{called}`"
        values = [a for a in node.args if isinstance(a, fx.Node)]
        if target in ("size", "dim") or (target is getattr and node.args[1] == "shape") or target is operator.getitem:
            # Part of x.view(x.size(0), -1).
            return
        if target in _SINES:
            value, omega = self._omega.get(values[0], (values[0], 1.0))
            self._add(node, node.name, {"type": "sine", "omega": omega}, [value])
            return
        kind = _SEVERAL.get(target)
        if kind == "mul" and len(values) == 1:
            factor = next(a for a in node.args if not isinstance(a, fx.Node))
            self._omega[node] = (values[0], float(factor))
            self._value[node] = self._value[values[0]]
            return
        if kind is not None:
            if len(values) != 2 or node.kwargs:
                raise _refuse(node, what, "it takes two values, and no number")
            self._add(node, node.name, {"type": kind}, values)
            return
        if target in (torch.cat, torch.concat):
            self._concat(node, what)
            return
        make = _METHODS.get(target) if node.op == "call_method" else _FUNCTIONS.get(target)
        if make is None:
            raise _refuse(node, what, f"there is no such op; there are {_known()}")
        try:
            op = make(*node.args, **node.kwargs)
        except (ValueError, TypeError) as error:
            raise _refuse(node, what, str(error)) from None
        self._add(node, node.name, op, values[:1])

    def _concat(self, node: fx.Node, what: str) -> None:
        parts = node.args[0]
        dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", node.kwargs.get("axis", 0))
        whole = isinstance(parts, (list, tuple)) and all(isinstance(part, fx.Node) for part in parts)
        vectors = whole and all(self._value.get(part) in self._vector for part in parts)
        if not whole or not (dim == 1 or (dim == -1 and vectors)):
            raise _refuse(node, what, "it joins values along features or channels, dim=1")
        self._add(node, node.name, {"type": "concat"}, list(parts))


def _known() -> str:
    return ", ".join(_engine.ops())
