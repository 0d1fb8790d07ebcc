"""Second-order MAML in PyTorch, `torch.func.vmap(grad)`, eager and compiled: meta-iterations a second.

As in the JAX script, a measured meta-iteration draws the tasks on the device, takes the meta-gradient and updates the
meta-parameters with Adam; compilation and a warm-up are not timed.
"""

import functools
import math
import sys

import torch
import workloads
from torch.func import grad, grad_and_value, vmap
from workloads import ADAM_BETA1, ADAM_BETA2, ADAM_EPS, META_LR, SERIES_COUNT, SERIES_LENGTH

DEFAULT_ROWS = {
    "sine": (10, 25, 256),
    "sine-paper": (25,),
    "sine-paper-5steps": (25,),
    "sine-paper-first-order": (25,),
    "series": (32,),
}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def mse(theta, x, y):
    """Mean squared error of the ReLU network `theta` on x [points, in] against y [points, out]."""
    for weight, bias in theta[:-1]:
        x = torch.relu(x @ weight + bias)
    weight, bias = theta[-1]
    return ((x @ weight + bias - y) ** 2).mean()


def query_loss(theta, task, inner_lr, inner_steps, order):
    """The query loss of one task after `inner_steps` steps of SGD on its support points."""
    support_x, support_y, query_x, query_y = task
    for _ in range(inner_steps):
        slope = grad(mse)(theta, support_x, support_y)
        if order == "first":
            slope = [(w.detach(), b.detach()) for w, b in slope]
        theta = [(w - inner_lr * dw, b - inner_lr * db) for (w, b), (dw, db) in zip(theta, slope)]
    return mse(theta, query_x, query_y)


def meta_gradient(theta, batch, inner_lr, inner_steps, order):
    """(gradient, mean query loss) over the tasks of `batch`."""
    loss = lambda theta, *task: query_loss(theta, task, inner_lr, inner_steps, order)  # noqa: E731
    each, value = vmap(grad_and_value(loss), (None, 0, 0, 0, 0))(theta, *batch)
    return [(w.mean(0), b.mean(0)) for w, b in each], value.mean()


def draw_sines(tasks, workload, _table):
    """`tasks` sinusoids a·sin(x + b), each with its support and query points."""
    s, points = workload.support, workload.support + workload.query
    draw = torch.rand(tasks, 2 + points, device=DEVICE)
    x = 10.0 * draw[:, 2:] - 5.0
    y = (0.1 + 4.9 * draw[:, :1]) * torch.sin(x + workload.phase * draw[:, 1:2])
    x, y = x[..., None], y[..., None]
    return x[:, :s], y[:, :s], x[:, s:], y[:, s:]


def draw_windows(tasks, workload, table):
    """`tasks` series of the table; each point is a window at a random place, and the value after it."""
    s, points, width = workload.support, workload.support + workload.query, workload.widths[0]
    series = torch.randint(SERIES_COUNT, (tasks, 1, 1), device=DEVICE)
    start = torch.randint(SERIES_LENGTH - width, (tasks, points, 1), device=DEVICE)
    window = table[series, start + torch.arange(width + 1, device=DEVICE)]
    x, y = window[..., :width], window[..., width:]
    return x[:, :s], y[:, :s], x[:, s:], y[:, s:]


def trainer(workload, meta_batch, compiled):
    """(call, iterations): `call()` runs that many meta-iterations and waits for the last."""
    generator = torch.Generator().manual_seed(0)
    uniform = lambda *shape: torch.rand(*shape, generator=generator) * 2 - 1  # noqa: E731
    sizes = list(zip(workload.widths[:-1], workload.widths[1:]))
    theta = [((uniform(i, o) * i**-0.5).to(DEVICE), (uniform(o) * i**-0.5).to(DEVICE)) for i, o in sizes]
    # Adam on one long vector, of which the layers are views: a handful of operations, whatever the number of layers.
    flat = torch.cat([t.flatten() for layer in theta for t in layer])
    m, v, step = torch.zeros_like(flat), torch.zeros_like(flat), torch.zeros((), device=DEVICE)
    size = (SERIES_COUNT, SERIES_LENGTH) if workload.kind == "series" else (1, 1)
    table = torch.randn(size, generator=generator).to(DEVICE)
    draw = {"sine": draw_sines, "series": draw_windows}[workload.kind]

    def unflatten(vector):
        layers, at = [], 0
        for i, o in sizes:
            layers.append((vector[at : at + i * o].view(i, o), vector[at + i * o : at + i * o + o]))
            at += i * o + o
        return layers

    def iteration(flat, m, v, step):
        batch = draw(meta_batch, workload, table)
        slope, loss = meta_gradient(
            unflatten(flat), batch, workload.inner_lr, workload.inner_steps, workload.order
        )
        g = torch.cat([t.flatten() for layer in slope for t in layer])
        step = step + 1
        m = ADAM_BETA1 * m + (1 - ADAM_BETA1) * g
        v = ADAM_BETA2 * v + (1 - ADAM_BETA2) * g * g
        scale = torch.sqrt(v / (1 - ADAM_BETA2**step)) + ADAM_EPS
        return flat - META_LR * m / (1 - ADAM_BETA1**step) / scale, m, v, step, loss

    run = torch.compile(iteration) if compiled else iteration
    state, iterations = [flat, m, v, step], 10

    def call():
        for _ in range(iterations):
            *state[:], loss = run(*state)
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"{workload.name}, meta-batch {meta_batch}: the meta-loss is {loss.item()}")

    return call, iterations


def check(path):
    """Compares the meta-gradient of a golden case, in float64 and float32, with the reference of the file."""
    case, tensors = workloads.golden(path)
    inner, good = case["inner"], True
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 2e-5)):
        cast = lambda a: torch.tensor(a, dtype=dtype, device=DEVICE)  # noqa: E731, B023
        theta = [(cast(w), cast(b)) for w, b in workloads.layers(tensors, "theta")]
        batch = [cast(tensors[name]) for name in ("support_x", "support_y", "query_x", "query_y")]
        outs = {}
        for form, run in (("eager", meta_gradient), ("compiled", torch.compile(meta_gradient))):
            slope, _ = run(theta, batch, inner["lr"], inner["steps"], inner["order"])
            outs[form] = [(w.cpu().double().numpy(), b.cpu().double().numpy()) for w, b in slope]
        good &= workloads.judge(case, str(dtype).removeprefix("torch."), outs, tensors, tolerance)
    return good


def main():
    parser = workloads.arguments(__doc__.splitlines()[0], DEFAULT_ROWS)
    parser.add_argument("--form", choices=("best", "eager", "compile"), default="best", help="best tries both")
    options = parser.parse_args()
    if options.check:
        sys.exit(0 if all([check(path) for path in options.check]) else 1)
    results = []
    for workload, meta_batch in workloads.rows(options):
        candidates = {
            name: functools.partial(trainer, workload, meta_batch, compiled)
            for name, compiled in (("vmap(grad), eager", False), ("torch.compile(vmap(grad))", True))
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
