"""Second-order MAML in PyTorch, `torch.func.vmap(grad)`, eager and compiled: meta-iterations a second.

As in the JAX script, a measured meta-iteration draws the tasks on the device, takes the meta-gradient and updates the
meta-parameters with Adam; compilation and a warm-up are not timed.
"""

import dataclasses
import functools
import itertools
import math
import sys

import golden
import torch
import workloads
from torch.func import grad, grad_and_value, vmap
from torch_layers import LOSSES, apply
from torch_tasks import DRAW
from workloads import ADAM_BETA1, ADAM_BETA2, ADAM_EPS, META_LR

DEFAULT_ROWS = {
    "sine": (10, 25, 256),
    "sine-paper": (25,),
    "sine-paper-5steps": (25,),
    "sine-paper-first-order": (25,),
    "series": (32,),
    "series-conv": (32,),
    "omniglot-depthwise": (32,),
    "omniglot-grouped": (32,),
    "miniimagenet": (4,),
    "resnet12": (1,),
    "omniglot-5way-1shot": (32,),
    "omniglot-5way-1shot-15query": (32,),
    "omniglot-5way-1shot-5steps": (32,),
    "omniglot-pool": (32,),
    "omniglot-pool-15query": (32,),
}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclasses.dataclass
class Learner:
    """A network and the inner loop that adapts it."""

    layers: list
    loss: str
    inner_lr: float
    inner_steps: int
    order: str
    conv: str  # "library" or "patches"
    adapts: list | None = None  # for each layer with parameters; all, if None

    def point_loss(self, theta, x, y):
        """The mean loss of the network `theta` on the points x, y."""
        return LOSSES[self.loss](apply(self.layers, theta, x, self.conv), y)

    def query_loss(self, theta, support_x, support_y, query_x, query_y):
        """The query loss of one task after `inner_steps` steps of SGD on its support points."""
        adapts = self.adapts or [True] * len(theta)
        for _ in range(self.inner_steps):
            slope = grad(self.point_loss)(theta, support_x, support_y)
            if self.order == "first":
                slope = [(w.detach(), b.detach()) for w, b in slope]
            theta = [
                (w - self.inner_lr * dw, b - self.inner_lr * db) if adapt else (w, b)
                for (w, b), (dw, db), adapt in zip(theta, slope, adapts)
            ]
        return self.point_loss(theta, query_x, query_y)

    def meta_gradient(self, theta, batch):
        """(gradient, mean query loss) over the tasks of `batch`."""
        each, value = vmap(grad_and_value(self.query_loss), (None, 0, 0, 0, 0))(theta, *batch)
        return [(w.mean(0), b.mean(0)) for w, b in each], value.mean()


def trainer(workload, meta_batch, compiled, conv):
    """(call, iterations): `call()` runs that many meta-iterations and waits for the last."""
    learner = Learner(
        workload.layers, workload.loss, workload.inner_lr, workload.inner_steps, workload.order, conv
    )
    theta = [tuple(map(torch.tensor, layer)) for layer in workloads.initial(workload.layers)]
    shapes = [(weight.shape, bias.shape) for weight, bias in theta]
    # Adam on one long vector, of which the layers are views: a handful of operations, whatever the number of layers.
    flat = torch.cat([t.flatten() for layer in theta for t in layer]).to(DEVICE)
    m, v, step = torch.zeros_like(flat), torch.zeros_like(flat), torch.zeros((), device=DEVICE)
    table = torch.tensor(workloads.table(workload), device=DEVICE)
    draw = DRAW[workload.kind]

    def unflatten(vector):
        parts = iter(vector.split([shape.numel() for layer in shapes for shape in layer]))
        return [tuple(next(parts).view(shape) for shape in layer) for layer in shapes]

    def iteration(flat, m, v, step):
        batch = draw(meta_batch, workload, table)
        slope, loss = learner.meta_gradient(unflatten(flat), batch)
        g = torch.cat([t.flatten() for layer in slope for t in layer])
        step = step + 1
        m = ADAM_BETA1 * m + (1 - ADAM_BETA1) * g
        v = ADAM_BETA2 * v + (1 - ADAM_BETA2) * g * g
        scale = torch.sqrt(v / (1 - ADAM_BETA2**step)) + ADAM_EPS
        return flat - META_LR * m / (1 - ADAM_BETA1**step) / scale, m, v, step, loss

    run = torch.compile(iteration) if compiled else iteration
    state, iterations = [flat, m, v, step], 1 if workload.kind == "images" and DEVICE == "cpu" else 10

    def call():
        for _ in range(iterations):
            *state[:], loss = run(*state)
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"{workload.name}, meta-batch {meta_batch}: the meta-loss is {loss.item()}")

    return call, iterations


def check(path, compiled):
    """Compares the meta-gradient of a golden case, in float64 and float32, with the reference of the file."""
    case, good = golden.load(path), True
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-5)):
        cast = lambda a: torch.tensor(a, dtype=dtype, device=DEVICE)  # noqa: E731, B023
        theta = [(cast(w), cast(b)) for w, b in case.theta]
        # Images come with their channels last.
        batch = [part.movedim(-1, 2) if part.ndim == 5 else part for part in map(torch.tensor, case.data)]
        batch = [part.to(DEVICE, dtype if part.is_floating_point() else torch.int64) for part in batch]
        outs = {}
        for compile, conv in itertools.product((False, True) if compiled else (False,), convolutions(case.layers)):
            torch._dynamo.reset()
            learner = Learner(case.layers, case.loss, case.inner_lr, case.inner_steps, case.order, conv, case.adapts)
            run = torch.compile(learner.meta_gradient) if compile else learner.meta_gradient
            slope, _ = run(theta, batch)
            outs[title(compile, conv)] = [(w.cpu().double().numpy(), b.cpu().double().numpy()) for w, b in slope]
        good &= golden.judge(case, str(dtype).removeprefix("torch."), outs, tolerance)
    return good


def convolutions(layers):
    """The forms of convolution to try: one, where there is none."""
    return ("library", "patches") if any(layer["type"] == "conv2d" for layer in layers) else ("library",)


def title(compiled, conv):
    """What a form is called in the rows."""
    return ("torch.compile(vmap(grad))" if compiled else "vmap(grad), eager") + (", patches" if conv == "patches" else "")


def main():
    parser = workloads.arguments(__doc__.splitlines()[0], DEFAULT_ROWS)
    parser.add_argument("--form", choices=("best", "eager", "compile"), default="best", help="best tries both")
    options = parser.parse_args()
    if options.check:
        sys.exit(0 if all([check(path, options.form != "eager") for path in options.check]) else 1)
    results = []
    for workload, meta_batch in workloads.rows(options):
        candidates = {
            title(compiled, conv): functools.partial(trainer, workload, meta_batch, compiled, conv)
            for compiled in (False, True)
            for conv in convolutions(workload.layers)
            if options.form in ("best", "compile" if compiled else "eager")
        }
        torch._dynamo.reset()
        torch.manual_seed(0)
        form = next(iter(candidates))
        if len(candidates) > 1:
            raced = workloads.race(candidates)
            form = max(raced, key=raced.get)
        measured = workloads.rates(*candidates[form](), options.blocks, options.seconds)
        name = torch.cuda.get_device_name() if DEVICE == "cuda" else workloads.processor(torch.get_num_threads())
        extra = {"device": name, "form": form, "library": "torch", "version": torch.__version__}
        results.append(workloads.row(workload, meta_batch, measured, **extra))
        workloads.show(results[-1])
        workloads.write(options.json, results)


if __name__ == "__main__":
    main()
