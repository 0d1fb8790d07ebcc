"""The ways in which the JAX program can be written, and the race for the fastest of them."""

import dataclasses
import functools
import itertools

import jax
import workloads


@dataclasses.dataclass(frozen=True)
class Form:
    """One way to write the same computation. On the CPU which is fastest depends on the row."""

    devices: int = 1  # the tasks are sharded over so many
    chunk: int = 0  # most tasks in one vmap; 0: all of a device's
    grad: str = "each"  # "each": vmap of the gradient, then the mean; "mean": gradient of the vmap's mean;
    # "forward": vmap of the query's gradient carried back through the steps by Hessian products, forward over reverse
    matrix: str = "in-out"  # "in-out": x[points, in] @ w[in, out]; "out-in": w[out, in] @ x[in, points]
    prng: str = "rbg"  # the generator behind jax.random
    threads: bool = False  # whether one operation may use several threads; a sharded form has one a device
    conv: str = "patches"  # one matrix product of patches, or "library"
    cut: str = "strides"  # how windows are cut for patches and pooling, or "phases"
    remat: bool = False  # whether an inner step is computed again on the way back
    vector: int = 0  # bits of the processor's vectors that the compiler prefers; 0: its own choice

    def __str__(self):
        layout = f"shard_map over {self.devices} devices, " if self.devices > 1 else ""
        chunks = f"map of vmap over <={self.chunk} tasks" if self.chunk > 1 else "map" if self.chunk else "one vmap"
        threads = ", threaded operations" if self.threads else ""
        grad = "Hessian products" if self.grad == "forward" else f"grad of {self.grad}"
        image = ", library's convolution" * (self.conv == "library") + ", phases" * (self.cut == "phases")
        remat = ", remat" if self.remat else ""
        vector = f", {self.vector}-bit vectors" if self.vector else ""
        return f"{layout}{chunks}{threads}, {grad}, {self.matrix}, {self.prng}{image}{remat}{vector}"

    def split(self, meta_batch):
        """(chunks on a device, tasks in a chunk), even, with at most a few tasks of padding in all."""
        share = -(-meta_batch // self.devices)
        chunks = -(-share // self.chunk) if self.chunk else 1
        return chunks, -(-share // chunks)


def layouts(meta_batch, devices, images):
    """The layouts worth trying for a meta-batch: one device or all, in one vmap or in chunks of it."""
    if jax.default_backend() != "cpu":
        return [Form()]
    if images:  # a task is much work, and its images fill a cache
        sharded = [Form(devices, c) for c in (1, 2, 4, 8, 16) if c == 1 or c * devices <= meta_batch]
        return sharded + [Form(1, 1), Form(1, 16, threads=True)] * (devices > 1)
    forms = [Form(d) for d in sorted({1, devices}) if d <= meta_batch <= 512 * d]
    forms += [Form(devices, c) for c in (16, 32, 64, 128) if c < meta_batch // devices]
    return forms + ([Form(1, 32)] if devices > 1 and 32 < meta_batch <= 512 else [])


def search(workload, meta_batch, devices, trainer, grouped):
    """The fastest form found: the best layout first, then the other choices within it, one group after another.

    `grouped`: whether the library's convolution is tried where `vmap` makes it a grouped one, too.
    """
    images, cpu = workload.kind in ("images", "field"), jax.default_backend() == "cpu"
    convolves = any(layer["type"] == "conv2d" for layer in workloads.leaves(workload.layers))

    def fastest(forms):
        rates = workloads.race({form: functools.partial(trainer, workload, meta_batch, form) for form in forms})
        jax.clear_caches()
        return max(rates, key=rates.get)

    def variants(form, **choices):
        return [dataclasses.replace(form, **dict(zip(choices, c))) for c in itertools.product(*choices.values())]

    form = fastest(layouts(meta_batch, devices, images))
    grads = ("each", "forward") if form.chunk == 1 else ("each", "mean", "forward")
    if workload.latent:  # the base is not what adapts: no Hessian product of all of θ
        grads = grads[:-1]
    vectors = (0, 512) if cpu else (0,)
    if images or convolves:
        forms = variants(form, grad=grads, cut=("strides", "phases") if convolves else ("strides",))
        if convolves and (form.chunk == 1 or grouped):
            forms += variants(form, conv=("library",))
        form = fastest(forms)
        return fastest(variants(form, vector=vectors, remat=(False, True)))
    form = fastest(variants(form, grad=grads, matrix=("in-out", "out-in")))
    threads = (False, True) if form.devices == 1 and cpu else (False,)
    form = fastest(variants(form, prng=("rbg", "threefry2x32"), threads=threads))
    return fastest(variants(form, vector=vectors, remat=(False, True) if workload.inner_steps > 1 else (False,)))
