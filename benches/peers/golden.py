"""The golden cases: meta-gradients computed elsewhere, that the peers' own are held against before anything is timed."""

import dataclasses
import json
import math
import sys

import numpy as np

HALVES = ("support_x", "support_y", "query_x", "query_y")
BEFORE_BATCH_NORM = ("linear", "conv2d")


@dataclasses.dataclass(frozen=True)
class Case:
    """One file. Images are [row, column, channel] here; weights are as in the file, [out, in] or [out, in, k, k]."""

    name: str
    layers: list  # dictionaries, as in the file
    loss: str
    tasks: int
    inner_lr: float
    inner_steps: int
    order: str
    adapts: list  # for each layer with parameters: whether the inner loop changes it
    theta: list  # [(weight, bias)]
    meta_grad: list
    data: list  # the four HALVES, each [tasks, points, …]

    def plain(self):
        """Whether the network is of linear layers and ReLU alone."""
        return all(layer["type"] in ("linear", "relu") for layer in self.layers)

    def half(self, dtype):
        """The data with real numbers as `dtype` and labels as 32-bit integers."""
        return [part.astype(dtype if part.dtype.kind == "f" else np.int32) for part in self.data]


def load(path):
    """The case of a file; exits with a reason where the peers' inner loop cannot express it."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        case = json.loads(file.metadata()["case"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    inner = case["inner"]
    for wrong, why in (
        (inner["lr"] == "learned", "its rates are learned"),
        ("loss_weights" in inner, "it weighs the losses of several steps"),
    ):
        if wrong:
            sys.exit(f"{path}: not a case for the peers: {why}")
    numbers = [n for n, layer in enumerate(case["layers"]) if layer["type"] in (*BEFORE_BATCH_NORM, "batch_norm")]
    pairs = lambda prefix: [(tensors[f"{prefix}.{n}.weight"], tensors[f"{prefix}.{n}.bias"]) for n in numbers]  # noqa: E731
    data = [tensors[name] for name in HALVES]
    return Case(
        name=case["name"],
        layers=case["layers"],
        loss=case["loss"],
        tasks=case["tasks"],
        inner_lr=inner["lr"],
        inner_steps=inner["steps"],
        order=inner["order"],
        adapts=[inner["adapt"] == "all" or n == case["head"] for n in numbers],
        theta=pairs("theta"),
        meta_grad=pairs("meta_grad"),
        data=[np.moveaxis(part, 2, -1) if part.ndim == 5 else part for part in data],
    )


def distance(out, case):
    """‖out − reference‖ / ‖reference‖ of a meta-gradient [(weight, bias)]: of the worst tensor. NaN stays NaN.

    A bias ahead of a batch norm has a gradient of zero, and is held against the norm of the whole gradient.
    """
    whole = math.sqrt(sum(float((b**2).sum()) for pair in case.meta_grad for b in pair))
    kinds = [layer["type"] for layer in case.layers] + [""]
    zero = [b == "batch_norm" for a, b in zip(kinds, kinds[1:]) if a in (*BEFORE_BATCH_NORM, "batch_norm")]
    worst = []
    for pair, reference, no_bias in zip(out, case.meta_grad, zero, strict=True):
        for a, b, against_whole in zip(pair, reference, (False, no_bias), strict=True):
            if a.shape != b.shape:
                raise ValueError(f"a gradient of shape {a.shape} for a parameter of {b.shape}")
            norm = whole if against_whole else math.sqrt(float((b**2).sum()))
            worst.append(math.sqrt(float(((a - b) ** 2).sum())) / norm)
    return math.nan if any(map(math.isnan, worst)) else max(worst)


def judge(case, kind, outs, tolerance):
    """Prints how far the meta-gradients `outs` ({form: gradient}) are from the case's; True if all are near."""
    errors = {form: distance(out, case) for form, out in outs.items()}
    wrong = {form: error for form, error in errors.items() if not error <= tolerance}  # NaN is wrong too
    worst = f"at most {max(errors.values()):.1e} in {len(errors)} forms" if not wrong else "WRONG"
    print(f"{case.name:<22}{kind:<10}relative error {worst}", flush=True)
    for form, error in wrong.items():
        print(f"    {error:.1e}, above {tolerance}: {form}", flush=True)
    return not wrong
