"""What every peer measures: the workloads, the command line, the clock and the result rows.

One module for all peers, so that a row of one and the same row of another differ in nothing but the library.
"""

import argparse
import dataclasses
import json
import math
import platform
import statistics
import sys
import time

import numpy as np

META_LR = 1e-3
ADAM_BETA1, ADAM_BETA2, ADAM_EPS = 0.9, 0.999, 1e-8

# The `series` workload draws its windows from a resident table of standard normal values, so that a meta-iteration
# gathers its points from memory as it would with real series. The values themselves cost the same either way.
SERIES_COUNT, SERIES_LENGTH = 3000, 256

# The image workloads likewise: noise in bytes, of as many classes and drawings of each as Omniglot's meta-training set has.
# Each class counts four times, once for each quarter turn.
IMAGE_CLASSES, IMAGE_DRAWERS, IMAGE_SIDE, IMAGE_TURNS = 1200, 20, 28, 4

# The fields are noise on a square of so many pixels a side; a task's points are some of its pixels, support and query the same.
FIELD_COUNT, FIELD_SIDE = 256, 64


@dataclasses.dataclass(frozen=True)
class Workload:
    """One meta-learning problem; the counts of points are per task."""

    name: str
    kind: str  # "sine", "series", "images" or "field": how tasks are drawn
    layers: tuple  # of the network, each a dictionary as in the golden cases
    support: int
    query: int
    inner_steps: int
    loss: str = "mse"  # or "cross_entropy"
    order: str = "second"  # or "first": the inner gradient is a constant to the outer one
    inner_lr: float = 0.01
    phase: float = 2 * math.pi  # sinusoids: b is uniform in [0, phase)
    ways: int = 5  # images: classes of a task
    side: int = IMAGE_SIDE  # images: pixels, and channels; those of several channels are not turned
    channels: int = 1
    window: int = 30  # series: values of a point
    latent: int = 0  # numbers of a latent, from which linear layers make a shift for each hidden layer; it alone adapts, at rates that are learned

    def operations(self):
        """Floating-point operations in one task's meta-gradient: two for each multiply-add of a matrix or a convolution.

        Forward a layer takes one product, backward one for its weights and one for its input, and differentiating these
        three, for the second order, two each. The first layer needs nothing that leads to its input alone. Weights that do
        not adapt have no gradient within an inner step and no tangent.
        """
        second, total = self.order == "second", 0

        def walk(layers, sides, first):
            nonlocal total
            for layer in layers:
                if layer["type"] == "residual":
                    walk(layer["beside"], sides, first)
                    sides, first = walk(layer["main"], sides, first)
                if "kernel" in layer:
                    kernel, padding = pair(layer["kernel"]), pair(layer.get("padding", 0))
                    span = zip(sides, kernel, padding)
                    sides = [(side + 2 * pad - k) // layer["stride"] + 1 for side, k, pad in span]
                if layer["type"] in ("linear", "conv2d"):
                    places = math.prod(sides) * math.prod(kernel) if layer["type"] == "conv2d" else 1
                    inner, outer = ((4 if second else 2), 2) if first else ((9 if second else 3), 3)
                    inner = inner if not self.latent else 2 if first else 6
                    products = self.support * self.inner_steps * inner + self.query * outer
                    total += 2 * layer["in"] * layer["out"] // layer.get("groups", 1) * places * products
                    first = False
            return sides, first

        walk(self.layers, [1, self.window] if self.kind == "series" else [self.side] * 2, True)
        return total


def pair(sides):
    """Rows and columns of a number or of both."""
    return (sides, sides) if isinstance(sides, int) else tuple(sides)


def leaves(layers):
    """All layers, those of residual blocks in the order in which their parameters stand."""
    for layer in layers:
        if layer["type"] == "residual":
            yield from leaves(layer["main"])
            yield from leaves(layer["beside"])
        else:
            yield layer


def mlp(*widths):
    """Linear layers of these widths, with ReLU between."""
    layers = []
    for fan_in, fan_out in zip(widths[:-1], widths[1:]):
        layers += [{"type": "linear", "in": fan_in, "out": fan_out}, {"type": "relu"}]
    return tuple(layers[:-1])


def conv4(pooled, filters=64, ways=5, channels=1, places=0):
    """Four blocks of convolution, batch norm and ReLU, which halve the image by a stride of 2 or by pooling, and a head on
    the mean over what is left of the image, or on all its `places`."""
    layers = []
    for _ in range(4):
        layers.append({"type": "conv2d", "in": channels, "out": filters, "kernel": 3, "stride": 2 - pooled, "padding": 1})
        layers += [{"type": "batch_norm", "features": filters, "eps": 1e-5}, {"type": "relu"}]
        layers += [{"type": "max_pool2d", "kernel": 2, "stride": 2}] * pooled
        channels = filters
    end = [{"type": "flatten"}, {"type": "linear", "in": filters * places, "out": ways}] if places else head(filters, ways)
    return (*layers, *end)


def conv(channels, filters, kernel=3, stride=1, padding=None, groups=1, after="relu"):
    """A convolution with batch norm and a function behind it."""
    padding = (kernel - 1) // 2 if padding is None else padding
    layer = {"type": "conv2d", "in": channels, "out": filters, "kernel": kernel, "stride": stride, "padding": padding}
    return ({**layer, "groups": groups}, {"type": "batch_norm", "features": filters, "eps": 1e-5}, *([{"type": after}] if after else []))


def head(features, ways=5):
    """The mean over the image and a linear layer."""
    return ({"type": "global_avg_pool2d"}, {"type": "linear", "in": features, "out": ways})


def depthwise(filters=64):
    """A stem, then a depthwise and a 1 x 1 convolution three times."""
    layers = conv(1, filters, stride=2)
    for stride in (1, 2, 1):
        layers += conv(filters, filters, stride=stride, groups=filters) + conv(filters, filters, kernel=1)
    return layers + head(filters)


def grouped(filters=64, groups=8):
    """Conv4 by strides, its later convolutions in groups."""
    layers = conv(1, filters, stride=2)
    for _ in range(3):
        layers += conv(filters, filters, stride=2, groups=groups)
    return layers + head(filters)


def siren(hidden, omega, width=256, latent=0):
    """Hidden layers of sines over a plane's coordinates, each shifted by what a linear layer makes of a latent, if there is one."""
    layers, fan_in = (), 2
    for _ in range(hidden):
        shift = ({"type": "shift", "in": latent, "out": width},) if latent else ()
        layers += ({"type": "linear", "in": fan_in, "out": width}, *shift, {"type": "sine", "omega": omega})
        fan_in = width
    return (*layers, {"type": "linear", "in": width, "out": 1})


def along_series(filters=32, window=30):
    """Convolutions of 5 along a series, which halve it twice, and a linear layer."""
    layers, channels, side = [], 1, window
    for stride in (1, 2, 2):
        layer = {"type": "conv2d", "in": channels, "out": filters, "kernel": (1, 5), "stride": stride, "padding": (0, 2)}
        layers += [layer, {"type": "relu"}]
        channels, side = filters, (side - 1) // stride + 1
    return (*layers, {"type": "flatten"}, {"type": "linear", "in": filters * side, "out": 1})


def resnet12(widths=(64, 160, 320, 640), channels=3):
    """Four residual blocks of three convolutions, each halved by pooling."""
    layers = ()
    for width in widths:
        main = conv(channels, width, after="leaky_relu") + conv(width, width, after="leaky_relu") + conv(width, width, after=None)
        layers += ({"type": "residual", "main": main, "beside": conv(channels, width, kernel=1, after=None)},)
        layers += ({"type": "leaky_relu"}, {"type": "max_pool2d", "kernel": 2, "stride": 2})
        channels = width
    return layers + head(channels)


def omniglot(name, pooled, queries, inner_steps=1):
    """5-way 1-shot with `queries` query images a class."""
    return Workload(name, "images", conv4(pooled), 5, 5 * queries, inner_steps, loss="cross_entropy", inner_lr=0.4)


SINE = mlp(1, 40, 40, 1)
WORKLOADS = {
    w.name: w
    for w in (
        Workload("sine", "sine", SINE, 5, 5, 1),
        Workload("sine-paper", "sine", SINE, 10, 10, 1, phase=math.pi),
        Workload("sine-paper-5steps", "sine", SINE, 10, 10, 5, phase=math.pi),
        Workload("sine-paper-first-order", "sine", SINE, 10, 10, 1, order="first", phase=math.pi),
        Workload("series", "series", mlp(30, 10, 10, 1), 10, 10, 5),
        Workload("series-conv", "series", along_series(), 10, 10, 1),
        Workload("omniglot-depthwise", "images", depthwise(), 5, 5, 1, loss="cross_entropy", inner_lr=0.4),
        Workload("omniglot-grouped", "images", grouped(), 5, 5, 1, loss="cross_entropy", inner_lr=0.4),
        Workload(
            "miniimagenet", "images", conv4(True, 32, channels=3, places=25), 5, 75, 5, "cross_entropy", inner_lr=0.05, side=84, channels=3
        ),
        Workload("resnet12", "images", resnet12(), 5, 75, 1, "cross_entropy", inner_lr=0.05, side=84, channels=3),
        Workload("field", "field", siren(5, 30.0), 1024, 1024, 2),
        Workload("field-latent", "field", siren(10, 30.0, latent=128), 1024, 1024, 3, inner_lr=0.1, latent=128),
        omniglot("omniglot-5way-1shot", False, 1),
        omniglot("omniglot-5way-1shot-15query", False, 15),
        omniglot("omniglot-5way-1shot-5steps", False, 1, inner_steps=5),
        omniglot("omniglot-pool", True, 1),
        omniglot("omniglot-pool-15query", True, 15),
    )
}


def initial(layers):
    """Meta-parameters [(weight, bias)]: uniform in ±1/sqrt(fan-in), and 1 and 0 for batch norm; ahead of a sine as SIREN has them."""
    rng, theta = np.random.default_rng(0), []
    layers = list(leaves(layers))
    omega = next((layer["omega"] for layer in layers if layer["type"] == "sine"), None)
    for n, layer in enumerate(layers):
        if layer["type"] == "batch_norm":
            theta.append((np.ones(layer["features"], np.float32), np.zeros(layer["features"], np.float32)))
        elif layer["type"] in ("linear", "conv2d", "shift"):
            shape = (layer["out"], layer["in"] // layer.get("groups", 1))
            shape += pair(layer["kernel"]) if layer["type"] == "conv2d" else ()
            bound = math.prod(shape[1:]) ** -0.5
            if omega:
                bound = 1 / shape[1] if n == 0 else math.sqrt(6 / shape[1]) / omega
            theta.append(tuple(rng.uniform(-bound, bound, s).astype(np.float32) for s in (shape, shape[:1])))
    return theta


def table(workload):
    """What stays on the device for tasks to be drawn from: series, images, or next to nothing."""
    rng = np.random.default_rng(1)
    if workload.kind == "images":
        shape = (IMAGE_CLASSES if workload.channels == 1 else 64, IMAGE_DRAWERS, workload.side, workload.side)
        shape += (workload.channels,) if workload.channels > 1 else ()
        return rng.integers(0, 256, shape, np.uint8)
    if workload.kind == "field":
        return rng.random((FIELD_COUNT, FIELD_SIDE, FIELD_SIDE), np.float32)
    return rng.standard_normal((SERIES_COUNT, SERIES_LENGTH) if workload.kind == "series" else (1, 1), np.float32)


def arguments(description, default_rows):
    """The parser that the peers share; the caller adds its own options and then calls `rows`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.set_defaults(default_rows=default_rows)
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="repeatable; all, if left out")
    parser.add_argument("--meta-batch", action="append", type=int, help="repeatable; each workload's own, if left out")
    parser.add_argument("--blocks", type=int, default=5, help="timed blocks a row, of which the median is reported")
    parser.add_argument("--seconds", type=float, default=1.0, help="least length of one block")
    parser.add_argument("--json", metavar="FILE", help="write the rows there")
    parser.add_argument(
        "--check", action="append", metavar="CASE", help="measure nothing; compare the meta-gradient of a golden case"
    )
    return parser


def rows(options):
    """The (workload, meta-batch) pairs that the command line asks for."""
    chosen = []
    for name in options.workload or list(options.default_rows):
        for meta_batch in options.meta_batch or options.default_rows.get(name, (25,)):
            if meta_batch < 1:
                sys.exit(f"--meta-batch {meta_batch}: a meta-iteration needs at least one task")
            chosen.append((WORKLOADS[name], meta_batch))
    return chosen


def rates(call, iterations, blocks, seconds, warm_up=2):
    """Meta-iterations a second in each of `blocks` blocks; `call` runs `iterations` of them to completion.

    The calls of the warm-up are not timed: they pay for compilation, and for the first touch of what the first returned.
    """
    for _ in range(warm_up):
        call()
    measured = []
    for _ in range(blocks):
        calls, start = 0, time.perf_counter()
        while True:
            call()
            calls += 1
            elapsed = time.perf_counter() - start
            if elapsed >= seconds:
                break
        measured.append(calls * iterations / elapsed)
    return measured


def race(candidates):
    """{name: rate} of {name: function that makes a (call, iterations)}: the best of four short blocks each.

    The candidates take turns, so that a machine that slows down for a while slows all of them alike. One that falls far
    behind in its first block is out: a call of it may take minutes.
    """
    made, best = {}, {}
    for name, make in candidates.items():
        made[name] = make()
        best[name] = rates(*made[name], 1, 0, warm_up=1)[0]
    made = {name: made[name] for name, rate in best.items() if rate > max(best.values()) / 3}
    for _ in range(4):
        for name, (call, iterations) in made.items():
            best[name] = max(best[name], *rates(call, iterations, 1, 0.1, warm_up=0))
    for name, rate in best.items():
        print(f"    {rate:>10.2f}  {name}", file=sys.stderr, flush=True)
    return best


def processor(threads):
    """The processor's name where Linux tells it, and the number of threads used."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {threads} threads"


def row(workload, meta_batch, measured, **extra):
    """One row of results; the first seven keys are those of `fastweights bench --json`."""
    median = statistics.median(measured)
    return {
        "workload": workload.name,
        "meta_batch": meta_batch,
        "inner_steps": workload.inner_steps,
        "order": workload.order,
        "device": extra.pop("device"),
        "iterations_per_s": median,
        "tasks_per_s": median * meta_batch,
        "gflop_per_s": median * meta_batch * workload.operations() / 1e9,
        "blocks": measured,
        **extra,
    }


def show(result):
    """Prints one row; the spread is that of the blocks, and tells how quiet the machine was."""
    low, high = min(result["blocks"]), max(result["blocks"])
    print(
        f"{result['workload']:<29}{result['meta_batch']:>6}  {result['iterations_per_s']:>10.5g} meta-iterations/s"
        f"  ({low:.5g} to {high:.5g}, {result['gflop_per_s']:.0f} GFLOP/s)  {result['form']}",
        flush=True,
    )


def write(path, results):
    """Writes the rows as a JSON list, if a file was asked for."""
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)
            file.write("\n")
