"""Second-order MAML in JAX, in the fastest form found for each row: meta-iterations a second.

A measured meta-iteration draws the tasks on the device, takes the meta-gradient and updates the meta-parameters with
Adam. Many of them run in one compiled `lax.scan`; compilation and a warm-up call are not timed.
"""

import dataclasses
import functools
import json
import os
import sys

import golden
import workloads
from workloads import ADAM_BETA1, ADAM_BETA2, ADAM_EPS, META_LR

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
from jax_forms import Form, search  # noqa: E402
from jax_layers import LOSSES, apply, inward, outward  # noqa: E402
from jax_tasks import DRAW  # noqa: E402

DEFAULT_ROWS = {
    "sine": (10, 25, 256, 2048, 16384),
    "sine-paper": (25,),
    "sine-paper-5steps": (25,),
    "sine-paper-first-order": (25,),
    "series": (32, 1024),
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
    "field": (3,),
    "field-latent": (16,),
}


# --- the mathematics ------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Learner:
    """A network and the inner loop that adapts it, in one form."""

    layers: list
    loss: str
    inner_lr: float
    inner_steps: int
    order: str
    form: Form
    adapts: list | None = None  # for each layer with parameters; all, if None

    def point_loss(self, theta, x, y):
        """The mean loss of the network `theta` on the points x, y."""
        return LOSSES[self.loss](apply(self.layers, theta, x, self.form), y)

    def descend(self, theta, slope):
        """One step of SGD in the layers that adapt."""
        step = lambda layer, slope: jax.tree.map(lambda t, g: t - self.inner_lr * g, layer, slope)  # noqa: E731
        adapts = self.adapts or [True] * len(theta)
        return [step(t, g) if adapt else t for t, g, adapt in zip(theta, slope, adapts)]

    def query_loss(self, theta, task):
        """The query loss of one task after `inner_steps` steps of SGD on its support points."""
        support_x, support_y, query_x, query_y = task

        def step(theta):
            slope = jax.grad(self.point_loss)(theta, support_x, support_y)
            return self.descend(theta, lax.stop_gradient(slope) if self.order == "first" else slope)

        for _ in range(self.inner_steps):
            theta = (jax.checkpoint(step) if self.form.remat else step)(theta)
        return self.point_loss(theta, query_x, query_y)

    def gradient(self, theta, task):
        """(query loss, its gradient by `theta`) of one task."""
        if self.form.grad != "forward":
            return jax.value_and_grad(self.query_loss)(theta, task)
        # A step θ ← θ − αPg(θ), where P keeps the layers that adapt, takes the cotangent v back to v − αHPv.
        support_x, support_y, query_x, query_y = task
        slope_at = jax.grad(lambda theta: self.point_loss(theta, support_x, support_y))
        products = []
        for _ in range(self.inner_steps):
            if self.form.remat or self.order == "first":
                slope, product = slope_at(theta), lambda v, theta=theta: jax.jvp(slope_at, (theta,), (v,))[1]
            else:
                slope, product = jax.linearize(slope_at, theta)
            products.append(product)
            theta = self.descend(theta, slope)
        value, v = jax.value_and_grad(self.point_loss)(theta, query_x, query_y)
        if self.order == "first":
            return value, v
        adapts = self.adapts or [True] * len(v)
        for product in reversed(products):
            hpv = product([layer if adapt else jax.tree.map(jnp.zeros_like, layer) for layer, adapt in zip(v, adapts)])
            v = jax.tree.map(lambda v, h: v - self.inner_lr * h, v, hpv)
        return value, v


@dataclasses.dataclass
class LatentLearner(Learner):
    """A latent adapts from zero, at rates that are learned, and nothing else; the last of `theta` are the rates."""

    def query_loss(self, theta, task):
        """The query loss of one task after `inner_steps` steps on its latent."""
        *base, (rates,) = theta
        support_x, support_y, query_x, query_y = task
        loss = lambda z, x, y: LOSSES[self.loss](apply(self.layers, base, x, self.form, z), y)  # noqa: E731

        def step(z):
            return z - jnp.clip(rates, 0, 1) * jax.grad(loss)(z, support_x, support_y)

        z = jnp.zeros_like(rates)
        for _ in range(self.inner_steps):
            z = (jax.checkpoint(step) if self.form.remat else step)(z)
        return loss(z, query_x, query_y)


def meta_gradient(theta, draw, learner, meta_batch):
    """(mean query loss, its gradient) over a meta-batch; `draw(i, n)` gives the n tasks of the i-th chunk.

    With more than one device this is one device's part, inside a shard_map, and the result is summed over all.
    """
    form = learner.form
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
            losses = jax.vmap(learner.query_loss, (None, 0))
            return jax.value_and_grad(lambda t: jnp.sum(weight * losses(t, batch)))(theta)
        if tasks == 1:
            value, grad = learner.gradient(theta, [part[0] for part in batch])
            w = jnp.reshape(weight, ()).astype(value.dtype) if padded else weight
            return value * w, jax.tree.map(lambda g: g * w, grad)
        value, grad = jax.vmap(learner.gradient, (None, 0))(theta, batch)
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


# --- measuring ------------------------------------------------------------------------------------------------------


def compiled(function, form):
    """Compiles `function`; for several devices it runs on each, every argument and result being the same on all."""
    if form.devices > 1:
        mesh = Mesh(np.array(jax.devices()[: form.devices]), ("tasks",))
        function = jax.shard_map(function, mesh=mesh, in_specs=PartitionSpec(), out_specs=PartitionSpec())
    options = {}
    if jax.default_backend() == "cpu":
        options["xla_cpu_multi_thread_eigen"] = form.threads
        if form.vector:
            options["xla_cpu_prefer_vector_width"] = form.vector
    return jax.jit(function, compiler_options=options)


def iterations_a_call(workload, meta_batch):
    """Meta-iterations in one compiled call, so many that the call itself costs nothing: some 50 ms on two cores."""
    work = meta_batch * workload.operations()
    if jax.default_backend() != "cpu":
        return int(np.clip(3e12 / work, 2, 200))
    return int(np.clip(3e9 / work, 1, 1000))


def trainer(workload, meta_batch, form):
    """(call, iterations): `call()` runs that many meta-iterations and waits for the last."""
    iterations = iterations_a_call(workload, meta_batch)
    learner = (LatentLearner if workload.latent else Learner)(
        workload.layers, workload.loss, workload.inner_lr, workload.inner_steps, workload.order, form
    )

    def block(state, table):
        def iteration(state, _):
            theta, m, v, step, key = state
            key, now = jax.random.split(key)
            draw = lambda index, n: DRAW[workload.kind](jax.random.fold_in(now, index), n, workload, table)  # noqa: E731
            value, grad = meta_gradient(theta, draw, learner, meta_batch)
            step = step + 1
            theta, m, v = adam(theta, m, v, grad, step)
            return (theta, m, v, step, key), value

        return lax.scan(iteration, state, length=iterations)

    run = compiled(block, form)
    theta = [(inward(weight, form), bias) for weight, bias in workloads.initial(workload.layers)]
    if workload.latent:
        theta.append((np.full(workload.latent, workload.inner_lr, np.float32),))
    zeros = jax.tree.map(np.zeros_like, theta)
    state = (theta, zeros, zeros, np.float32(0), jax.random.key(0, impl=form.prng))
    table = workloads.table(workload)
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


def check(path):
    """Compares the meta-gradient of a golden case with its reference, in both types and in every kind of form."""
    case, devices, good = golden.load(path), min(2, jax.device_count()), True
    grads = ("each", "mean", "forward")
    if case.plain():
        forms = [Form(d, c, g, matrix) for d in sorted({1, devices}) for c in (0, 1, 2) for g in grads
                 for matrix in ("in-out", "out-in")]  # fmt: skip
        forms += [Form(grad=g, remat=True) for g in grads]
    else:  # these take seconds each to compile
        forms = [Form(devices, 1), Form(1, 2, "mean"), Form(devices, 2, "forward"), Form(1, 0, "each", remat=True)]
        forms += [Form(1, 1, "forward", cut="phases", remat=True)]
        forms += [Form(1, 0, g, conv="library") for g in ("each", "forward")]
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 2e-5)):
        outs = {}
        for form in forms:
            theta = [(inward(w, form).astype(dtype), b.astype(dtype)) for w, b in case.theta]
            chunks, n = form.split(case.tasks)
            # Chunks may reach beyond the last task; what lies there must not count, so it is another task, mirrored.
            spare = form.devices * chunks * n - case.tasks
            mirror = lambda part: np.abs(part) if part.dtype == np.int32 else -part  # noqa: E731
            data = [np.concatenate([d, mirror(np.resize(d, (spare, *d.shape[1:])))]) for d in case.half(dtype)]
            learner = Learner(case.layers, case.loss, case.inner_lr, case.inner_steps, case.order, form, case.adapts)

            def gradient(theta, data, learner=learner):
                draw = lambda i, n: [lax.dynamic_slice_in_dim(d, i * n, n) for d in data]  # noqa: E731
                return meta_gradient(theta, draw, learner, case.tasks)[1]

            out = compiled(gradient, form)(theta, data)
            if any(tensor.dtype != dtype for layer in out for tensor in layer):
                raise TypeError(f"{path}: the gradient is not of type {dtype.__name__}")
            outs[form] = [(outward(np.asarray(w, np.float64), form), np.asarray(b, np.float64)) for w, b in out]
        good &= golden.judge(case, dtype.__name__, outs, tolerance)
        jax.clear_caches()
    return good


def main():
    parser = workloads.arguments(__doc__.splitlines()[0], DEFAULT_ROWS)
    parser.add_argument("--form", choices=("best", "single", "sharded"), default="best", help="best tries many a row")
    parser.add_argument("--chunk", type=int, help="tasks in one vmap, for single (0: all) and sharded (32)")
    parser.add_argument("--forms-of", metavar="FILE", help="take each row's form from an earlier --json, for best")
    parser.add_argument("--grouped", action="store_true", help="race vmap of the library's convolution, slow on a CPU")
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
            form = earlier.get((workload.name, meta_batch)) or search(
                workload, meta_batch, devices, trainer, options.grouped or gpu
            )
        measured = workloads.rates(*trainer(workload, meta_batch, form), options.blocks, options.seconds)
        extra = {"device": name, "form": str(form), "form_settings": dataclasses.asdict(form)}
        extra |= {"library": "jax", "version": jax.__version__}
        results.append(workloads.row(workload, meta_batch, measured, **extra))
        workloads.show(results[-1])
        workloads.write(options.json, results)
        jax.clear_caches()


if __name__ == "__main__":
    main()
