"""A user's loop in Python on NumPy arrays: fastweights beside learn2learn, higher, parallel-metalearn and torch.func, alternating.

    python benches/peers/python_loop.py [--workload sine --workload conv4] [--seconds 2] [--rounds 3] [--json FILE]

Each contender takes the same tasks, drawn ahead, from the same start: a second-order meta-gradient of one inner step and Adam in every
meta-iteration. One that is not installed is left out, by name. Rates are meta-iterations a second, medians of the rounds. The overhead of
a call is the time of a step on a model of two numbers.
"""

import argparse
import copy
import json
import statistics
import time

import fastweights as fw
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad_and_value, vmap

# Meta-batches that are drawn ahead.
AHEAD = 16


def sine(rng, count=32, points=10):
    amplitude, phase = rng.uniform(0.1, 5, (count, 1, 1)), rng.uniform(0, 2 * np.pi, (count, 1, 1))
    x = rng.uniform(-5, 5, (2, count, points, 1))
    y = amplitude * np.sin(x + phase)
    return tuple((x[i].astype(np.float32), y[i].astype(np.float32)) for i in (0, 1))


def images(rng, count=32, ways=5):
    return tuple(
        (rng.random((count, ways, 1, 28, 28), np.float32), np.tile(np.arange(ways, dtype=np.int64), (count, 1))) for _ in (0, 1)
    )


def perceptron():
    return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


def conv4():
    layers, inputs = [], 1
    for _ in range(4):
        layers += [nn.Conv2d(inputs, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64, track_running_stats=False), nn.ReLU()]
        inputs = 64
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 5))


WORKLOADS = {"sine": (perceptron, sine, F.mse_loss, 0.01), "conv4": (conv4, images, F.cross_entropy, 0.4)}


def tensors(batch):
    return [torch.from_numpy(array) for points in batch for array in points]


def ours(module, loss, rate):
    name = "mse" if loss is F.mse_loss else "cross_entropy"
    shape = (1,) if name == "mse" else (1, 28, 28)
    maml = fw.MAML(fw.torch.from_module(module, shape), name, inner_lr=rate, optimizer=fw.Adam(1e-3), device="cpu")
    maml.load_state_dict(module.state_dict())
    return lambda batch: maml.step(*batch)


def ours_torch(module, loss, rate):
    module = copy.deepcopy(module)
    maml = fw.torch.MAML(module, "mse" if loss is F.mse_loss else "cross_entropy", inner_lr=rate, device="cpu")
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)

    def step(batch):
        optimizer.zero_grad()
        value = maml.meta_grad(*batch)
        optimizer.step()
        return value

    return step


def learn2learn(module, loss, rate):
    import learn2learn as l2l

    maml = l2l.algorithms.MAML(copy.deepcopy(module), lr=rate)
    optimizer = torch.optim.Adam(maml.parameters(), 1e-3)

    def step(batch):
        optimizer.zero_grad()
        total = 0.0
        for sx, sy, qx, qy in zip(*tensors(batch)):
            learner = maml.clone()
            learner.adapt(loss(learner(sx), sy))
            value = loss(learner(qx), qy) / len(batch[0][0])
            value.backward()
            total += value.item()
        optimizer.step()
        return total

    return step


def higher(module, loss, rate):
    import higher as library

    module = copy.deepcopy(module)
    inner, optimizer = torch.optim.SGD(module.parameters(), rate), torch.optim.Adam(module.parameters(), 1e-3)

    def step(batch):
        optimizer.zero_grad()
        total = 0.0
        for sx, sy, qx, qy in zip(*tensors(batch)):
            with library.innerloop_ctx(module, inner, copy_initial_weights=False) as (functional, stepper):
                stepper.step(loss(functional(sx), sy))
                value = loss(functional(qx), qy) / len(batch[0][0])
                value.backward()
                total += value.item()
        optimizer.step()
        return total

    return step


class _Deaf(nn.Module):
    """A part of a network that takes what parallel-metalearn tells it, and does not listen."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, **_):
        return self.module(x)


def parallel_metalearn(module, loss, rate):
    from metalearn.algorithms import MAML
    from metalearn.inner_optimizers import InnerSGD
    from metalearn.loss.base import BaseLoss
    from metalearn.model_wrappers import MAML_Model

    class Loss(BaseLoss):
        def forward(self, out_dict, targets, model_states=None, **_):
            value = loss(out_dict["logits"], targets)
            return value, value.detach()

    module = copy.deepcopy(module)
    model = MAML_Model(backbone=_Deaf(module[:-1]), head=_Deaf(module[-1]))
    inner = InnerSGD(initial_fast_weights=model.get_fast_weights(), inner_lr=rate, learn_lr=False)
    outer = torch.optim.Adam(model.parameters(), 1e-3)
    learner = MAML(model=model, optimizer=outer, inner_optimizer=inner, support_loss_fn=Loss(), device=torch.device("cpu"))
    return lambda batch: learner.step(iter([tensors(batch)]))[0]


def through_torch_func(compiled):
    def make(module, loss, rate):
        module = copy.deepcopy(module)
        optimizer = torch.optim.Adam(module.parameters(), 1e-3)

        def set_loss(theta, x, y):
            return loss(functional_call(module, theta, (x,)), y)

        def query_loss(theta, sx, sy, qx, qy):
            slope = torch.func.grad(set_loss)(theta, sx, sy)
            return set_loss({name: value - rate * slope[name] for name, value in theta.items()}, qx, qy)

        def mean_loss(theta, *batch):
            return vmap(query_loss, (None, 0, 0, 0, 0))(theta, *batch).mean()

        def meta(theta, *batch):
            return grad_and_value(mean_loss)(theta, *batch)

        run = torch.compile(meta) if compiled else meta

        def step(batch):
            theta = {name: value.detach() for name, value in module.named_parameters()}
            slopes, value = run(theta, *tensors(batch))
            for name, parameter in module.named_parameters():
                parameter.grad = slopes[name]
            optimizer.step()
            return value.item()

        return step

    return make


CONTENDERS = {
    "fastweights, step": ours,
    "fastweights.torch, meta_grad": ours_torch,
    "learn2learn": learn2learn,
    "higher": higher,
    "parallel-metalearn": parallel_metalearn,
    "torch.func, vmap(grad)": through_torch_func(False),
    "torch.func, vmap(grad) compiled": through_torch_func(True),
}


def rate(step, batches, seconds):
    """Meta-iterations a second."""
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or done == 0:
        step(batches[done % len(batches)])
        done += 1
    return done / (time.perf_counter() - start)


def overhead():
    """Seconds of a step that has nothing to compute."""
    maml = fw.MAML(fw.Sequential(fw.Linear(1, 1)), device="cpu", threads=1)
    points = np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    times = []
    for _ in range(2000):
        start = time.perf_counter()
        maml.step(points, points)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workload", action="append", choices=WORKLOADS)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without", action="append", default=[], help="leave out contenders whose name has this")
    parser.add_argument("--json")
    options = parser.parse_args()
    rows = [{"overhead_us": 1e6 * overhead(), "threads": torch.get_num_threads()}]
    print(f"a call: {rows[0]['overhead_us']:.1f} µs")
    for name in options.workload or WORKLOADS:
        make, draw, loss, lr = WORKLOADS[name]
        torch.manual_seed(0)
        module, rng = make(), np.random.default_rng(0)
        batches, steps, first = [draw(rng) for _ in range(AHEAD)], {}, {}
        for contender, build in CONTENDERS.items():
            if any(word in contender for word in options.without):
                continue
            try:
                steps[contender] = build(module, loss, lr)
                first[contender] = [steps[contender](batches[i]) for i in range(3)]
            except ImportError as error:
                steps.pop(contender, None)
                print(f"{contender}: left out, {error}")
        reference = first["fastweights, step"]
        for contender, losses in first.items():
            assert np.allclose(losses, reference, rtol=2e-3), f"{contender} has other losses: {losses}, {reference}"
        rates = {contender: [] for contender in steps}
        for _ in range(options.rounds):
            for contender, step in steps.items():
                rates[contender].append(rate(step, batches, options.seconds))
        best = statistics.median(rates["fastweights, step"])
        for contender, all_rates in rates.items():
            middle = statistics.median(all_rates)
            print(f"{name:6} {contender:33} {middle:10.1f} /s  ({min(all_rates):.1f} to {max(all_rates):.1f}), {best / middle:7.1f}")
            rows.append({"workload": name, "contender": contender, "rates": all_rates})
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
