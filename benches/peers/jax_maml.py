"""Second-order MAML in JAX, in the fastest form found for each row: meta-iterations a second.

A measured meta-iteration draws the tasks on the device, takes the meta-gradient and updates the meta-parameters with
Adam. Many of them run in one compiled `lax.scan`; compilation and a warm-up call are not timed.
"""

import dataclasses
import functools
import itertools
import json
import os
import sys

import workloads
from workloads import ADAM_BETA1, ADAM_BETA2, ADAM_EPS, META_LR, SERIES_COUNT, SERIES_LENGTH

# How many host devices XLA makes is fixed when it starts, so this precedes the import of jax.
HOST_DEVICES = min(os.cpu_count() or 1, 16)
_FLAG = "--xla_force_host_platform_device_count"
if _FLAG not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_FLAG}={HOST_DEVICES}".strip()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402
from jax.sharding import Mesh, NamedSharding, PartitionSpec  # noqa: E402

DEFAULT_ROWS = {
    "sine": (10, 25, 256, 2048, 16384),
    "sine-paper": (25,),
    "sine-paper-5steps": (25,),
    "sine-paper-first-order": (25,),
    "series": (32, 1024),
}


@dataclasses.dataclass(frozen=True)
class Form:
    """One way to write the same computation. On the CPU which is fastest depends on the row."""

    devices: int = 1  # the tasks are sharded over so many
    chunk: int = 0  # most tasks in one vmap; 0: all of a device's
    grad: str = "each"  # "each": vmap of the gradient, then the mean; "mean": gradient of the vmap's mean
    matrix: str = "in-out"  # "in-out": x[points, in] @ w[in, out]; "out-in": w[out, in] @ x[in, points]
    prng: str = "rbg"  # the generator behind jax.random
    threads: bool = False  # whether one operation may use several threads; a sharded form has one a device

    def __str__(self):
        layout = f"shard_map over {self.devices} devices, " if self.devices > 1 else ""
        chunks = f"map of vmap over <={self.chunk} tasks" if self.chunk else "one vmap"
        threads = ", threaded operations" if self.threads else ""
        return f"{layout}{chunks}{threads}, grad of {self.grad}, {self.matrix}, {self.prng}"

    def split(self, meta_batch):
        """(chunks on a device, tasks in a chunk), even, with at most a few tasks of padding in all."""
        share = -(-meta_batch // self.devices)
        chunks = -(-share // self.chunk) if self.chunk else 1
        return chunks, -(-share // chunks)


# --- the mathematics ------------------------------------------------------------------------------------------------


def mse(theta, x, y, matrix):
    """Mean squared error of the ReLU network `theta` on x [points, in] against y [points, out]."""
    if matrix == "in-out":
        linear = lambda x, weight, bias: x @ weight + bias  # noqa: E731
    else:
        x, y = x.T, y.T
        linear = lambda x, weight, bias: weight @ x + bias[:, None]  # noqa: E731
    for layer in theta[:-1]:
        x = jax.nn.relu(linear(x, *layer))
    return jnp.mean((linear(x, *theta[-1]) - y) ** 2)


def query_loss(theta, task, inner_lr, inner_steps, order, matrix):
    """The query loss of one task after `inner_steps` steps of SGD on its support points."""
    support_x, support_y, query_x, query_y = task
    for _ in range(inner_steps):
        slope = jax.grad(mse)(theta, support_x, support_y, matrix)
        if order == "first":
            slope = lax.stop_gradient(slope)
        theta = jax.tree.map(lambda t, g: t - inner_lr * g, theta, slope)
    return mse(theta, query_x, query_y, matrix)


def meta_gradient(theta, draw, loss, meta_batch, form):
    """(mean query loss, its gradient) over a meta-batch; `draw(i, n)` gives the n tasks of the i-th chunk.

    With more than one device this is one device's part, inside a shard_map, and the result is summed over all.
    """
    chunks, tasks = form.split(meta_batch)
    padded = form.devices * chunks * tasks > meta_batch
    first = 0
    if form.devices > 1:
        first = lax.axis_index("tasks") * chunks
        # Each device differentiates by a copy of its own: by the shared one, every chunk would end in a sum over devices.
        theta = lax.pcast(theta, "tasks", to="varying")

    def chunk(index):
        batch = draw(index, tasks)
        weight = 1.0 / meta_batch
        if padded:
            weight = weight * (index * tasks + jnp.arange(tasks) < meta_batch)
        if form.grad == "mean":
            return jax.value_and_grad(lambda t: jnp.sum(weight * jax.vmap(functools.partial(loss, t))(batch)))(theta)
        value, grad = jax.vmap(jax.value_and_grad(loss), (None, 0))(theta, batch)
        w = jnp.broadcast_to(weight, (tasks,)).astype(value.dtype)
        return value @ w, jax.tree.map(lambda g: jnp.tensordot(w, g, 1), grad)

    if chunks == 1:
        total = chunk(first)
    else:
        add = lambda sum, index: (jax.tree.map(jnp.add, sum, chunk(index)), None)  # noqa: E731
        zero = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(chunk, 0))
        if form.devices > 1:
            zero = jax.tree.map(lambda z: lax.pcast(z, "tasks", to="varying"), zero)
        total, _ = lax.scan(add, zero, first + jnp.arange(chunks))
    if form.devices > 1:
        flat, unflatten = ravel_pytree(total)  # one message instead of seven
        total = unflatten(lax.psum(flat, "tasks"))
    return total


def adam(theta, m, v, grad, step):
    """One step of Adam; `step` counts from 1."""
    m = jax.tree.map(lambda m, g: ADAM_BETA1 * m + (1 - ADAM_BETA1) * g, m, grad)
    v = jax.tree.map(lambda v, g: ADAM_BETA2 * v + (1 - ADAM_BETA2) * g * g, v, grad)
    m_scale, v_scale = 1 / (1 - ADAM_BETA1**step), 1 / (1 - ADAM_BETA2**step)
    theta = jax.tree.map(lambda t, m, v: t - META_LR * m * m_scale / (jnp.sqrt(v * v_scale) + ADAM_EPS), theta, m, v)
    return theta, m, v


# --- tasks ----------------------------------------------------------------------------------------------------------


def draw_sines(key, tasks, workload, _table):
    """`tasks` sinusoids a·sin(x + b), each with its support and query points."""
    points = workload.support + workload.query
    draw = jax.random.uniform(key, (tasks, 2 + points), jnp.float32)
    a, b = 0.1 + 4.9 * draw[:, :1], workload.phase * draw[:, 1:2]
    x = 10.0 * draw[:, 2:] - 5.0
    y = a * jnp.sin(x + b)
    x, y, s = x[..., None], y[..., None], workload.support
    return x[:, :s], y[:, :s], x[:, s:], y[:, s:]


def draw_windows(key, tasks, workload, table):
    """`tasks` series of the table; each point is a window at a random place, and the value after it."""
    points, width, s = workload.support + workload.query, workload.widths[0], workload.support
    draw = jax.random.uniform(key, (tasks, 1 + points), jnp.float32)
    series = (draw[:, 0] * SERIES_COUNT).astype(jnp.int32)
    start = (draw[:, 1:] * (SERIES_LENGTH - width)).astype(jnp.int32)
    window = table[series[:, None, None], start[..., None] + jnp.arange(width + 1)]
    x, y = window[..., :width], window[..., width:]
    return x[:, :s], y[:, :s], x[:, s:], y[:, s:]


# --- measuring ------------------------------------------------------------------------------------------------------


def initial(widths, matrix):
    """Meta-parameters: uniform in ±1/sqrt(fan-in)."""
    rng, theta = np.random.default_rng(0), []
    for fan_in, fan_out in zip(widths[:-1], widths[1:]):
        bound = fan_in**-0.5
        weight, bias = (rng.uniform(-bound, bound, s).astype(np.float32) for s in ((fan_in, fan_out), (fan_out,)))
        theta.append((weight if matrix == "in-out" else weight.T.copy(), bias))
    return theta


def compiled(function, form):
    """Compiles `function`; for several devices it runs on each, every argument and result being the same on all."""
    if form.devices > 1:
        mesh = Mesh(np.array(jax.devices()[: form.devices]), ("tasks",))
        function = jax.shard_map(function, mesh=mesh, in_specs=PartitionSpec(), out_specs=PartitionSpec())
    cpu = jax.default_backend() == "cpu"
    return jax.jit(function, compiler_options={"xla_cpu_multi_thread_eigen": form.threads} if cpu else {})


def iterations_a_call(workload, meta_batch):
    """Meta-iterations in one compiled call, so many that the call itself costs nothing: some 50 ms on two cores."""
    if jax.default_backend() != "cpu":
        return 200
    return int(np.clip(15000 / (meta_batch * workload.inner_steps), 2, 1000))


def trainer(workload, meta_batch, form):
    """(call, iterations): `call()` runs that many meta-iterations and waits for the last."""
    iterations = iterations_a_call(workload, meta_batch)
    draw_tasks = {"sine": draw_sines, "series": draw_windows}[workload.kind]
    settings = (workload.inner_lr, workload.inner_steps, workload.order, form.matrix)

    def block(state, table):
        def iteration(state, _):
            theta, m, v, step, key = state
            key, now = jax.random.split(key)
            draw = lambda index, n: draw_tasks(jax.random.fold_in(now, index), n, workload, table)  # noqa: E731
            loss = lambda theta, task: query_loss(theta, task, *settings)  # noqa: E731
            value, grad = meta_gradient(theta, draw, loss, meta_batch, form)
            step = step + 1
            theta, m, v = adam(theta, m, v, grad, step)
            return (theta, m, v, step, key), value

        return lax.scan(iteration, state, length=iterations)

    run = compiled(block, form)
    theta = initial(workload.widths, form.matrix)
    zeros = jax.tree.map(np.zeros_like, theta)
    state = (theta, zeros, zeros, np.float32(0), jax.random.key(0, impl=form.prng))
    size = (SERIES_COUNT, SERIES_LENGTH) if workload.kind == "series" else (1, 1)
    table = np.random.default_rng(1).standard_normal(size, dtype=np.float32)
    if form.devices > 1:
        everywhere = NamedSharding(Mesh(np.array(jax.devices()[: form.devices]), ("tasks",)), PartitionSpec())
        state, table = jax.device_put((state, table), everywhere)
    else:
        state, table = jax.device_put((state, table), jax.devices()[0])

    def call():
        nonlocal state
        state, losses = run(state, table)
        last = float(losses[-1])
        if not np.isfinite(last):
            raise FloatingPointError(f"{workload.name}, meta-batch {meta_batch}: the meta-loss is {last}")

    return call, iterations


def layouts(meta_batch, devices):
    """The layouts worth trying for a meta-batch: one device or all, in one vmap or in chunks of it."""
    if jax.default_backend() != "cpu":
        return [Form()]
    forms = [Form(d) for d in sorted({1, devices}) if d <= meta_batch <= 512 * d]
    forms += [Form(devices, c) for c in (16, 32, 64, 128) if c < meta_batch // devices]
    return forms + ([Form(1, 32)] if devices > 1 and 32 < meta_batch <= 512 else [])


def search(workload, meta_batch, devices):
    """The fastest form found: the best layout first, then the other choices within it."""

    def fastest(forms):
        rates = workloads.race({form: functools.partial(trainer, workload, meta_batch, form) for form in forms})
        return max(rates, key=rates.get)

    def variants(form, **choices):
        return [dataclasses.replace(form, **dict(zip(choices, c))) for c in itertools.product(*choices.values())]

    form = fastest(layouts(meta_batch, devices))
    form = fastest(variants(form, grad=("each", "mean"), matrix=("in-out", "out-in")))
    threads = (False, True) if form.devices == 1 and jax.default_backend() == "cpu" else (False,)
    return fastest(variants(form, prng=("rbg", "threefry2x32"), threads=threads))


def check(path):
    """Compares the meta-gradient of a golden case with its reference, in both types and in every kind of form."""
    case, tensors = workloads.golden(path)
    inner, devices, good = case["inner"], min(2, jax.device_count()), True
    forms = [Form(d, c, grad, matrix) for d in sorted({1, devices}) for c in (0, 2)
             for grad in ("each", "mean") for matrix in ("in-out", "out-in")]  # fmt: skip
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 2e-5)):
        outs = {}
        for form in forms:
            turn = (lambda w: w) if form.matrix == "in-out" else (lambda w: w.T)
            theta = [(turn(w).astype(dtype), b.astype(dtype)) for w, b in workloads.layers(tensors, "theta")]
            data = [tensors[n].astype(dtype) for n in ("support_x", "support_y", "query_x", "query_y")]
            chunks, n = form.split(case["tasks"])
            # Chunks may reach beyond the last task; what lies there must not count, so it is another task, mirrored.
            spare = form.devices * chunks * n - case["tasks"]
            data = [np.concatenate([d, -d[:spare]]) for d in data]

            def gradient(theta, data, form=form):
                draw = lambda i, n: [lax.dynamic_slice_in_dim(d, i * n, n) for d in data]  # noqa: E731
                loss = lambda t, task: query_loss(t, task, inner["lr"], inner["steps"], inner["order"], form.matrix)  # noqa: E731
                return meta_gradient(theta, draw, loss, case["tasks"], form)[1]

            out = [(turn(np.asarray(w)), np.asarray(b)) for w, b in compiled(gradient, form)(theta, data)]
            if any(tensor.dtype != dtype for layer in out for tensor in layer):
                raise TypeError(f"{path}: the gradient is not of type {dtype.__name__}")
            outs[form] = [(w.astype(np.float64), b.astype(np.float64)) for w, b in out]
        good &= workloads.judge(case, dtype.__name__, outs, tensors, tolerance)
    return good


def main():
    parser = workloads.arguments(__doc__.splitlines()[0], DEFAULT_ROWS)
    parser.add_argument("--form", choices=("best", "single", "sharded"), default="best", help="best tries many a row")
    parser.add_argument("--chunk", type=int, help="tasks in one vmap, for single (0: all) and sharded (32)")
    parser.add_argument("--forms-of", metavar="FILE", help="take each row's form from an earlier --json, for best")
    parser.add_argument("--precision", default="highest", help="of matrix products; default means TF32 on many GPUs")
    options = parser.parse_args()
    jax.config.update("jax_default_matmul_precision", options.precision)
    if options.check:
        jax.config.update("jax_enable_x64", True)
        sys.exit(0 if all([check(path) for path in options.check]) else 1)

    gpu = jax.default_backend() != "cpu"
    devices = 1 if gpu else jax.device_count()
    if options.form == "sharded" and devices == 1:
        sys.exit("--form sharded: there is only one device")
    earlier = {}
    if options.forms_of:
        with open(options.forms_of, encoding="utf-8") as file:
            earlier = {(r["workload"], r["meta_batch"]): Form(**r["form_settings"]) for r in json.load(file)}
    name = jax.devices()[0].device_kind if gpu else workloads.processor(os.cpu_count())
    results = []
    for workload, meta_batch in workloads.rows(options):
        if options.form == "single":
            form = Form(1, options.chunk or 0)
        elif options.form == "sharded":
            form = Form(devices, 32 if options.chunk is None else options.chunk)
        else:
            form = earlier.get((workload.name, meta_batch)) or search(workload, meta_batch, devices)
        measured = workloads.rates(*trainer(workload, meta_batch, form), options.blocks, options.seconds)
        extra = {"device": name, "form": str(form), "form_settings": dataclasses.asdict(form)}
        extra |= {"library": "jax", "version": jax.__version__}
        results.append(workloads.row(workload, meta_batch, measured, **extra))
        workloads.show(results[-1])
        workloads.write(options.json, results)
        jax.clear_caches()


if __name__ == "__main__":
    main()
