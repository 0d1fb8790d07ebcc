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

META_LR = 1e-3
ADAM_BETA1, ADAM_BETA2, ADAM_EPS = 0.9, 0.999, 1e-8

# The `series` workload draws its windows from a resident table of standard normal values, so that a meta-iteration
# gathers its points from memory as it would with real series. The values themselves cost the same either way.
SERIES_COUNT, SERIES_LENGTH = 3000, 256


@dataclasses.dataclass(frozen=True)
class Workload:
    """One meta-learning problem; the counts of points are per task."""

    name: str
    kind: str  # "sine" or "series": how tasks are drawn
    widths: tuple  # of the ReLU network, input to output
    support: int
    query: int
    inner_steps: int
    order: str = "second"  # or "first": the inner gradient is a constant to the outer one
    inner_lr: float = 0.01
    phase: float = 2 * math.pi  # sinusoids: b is uniform in [0, phase)


SINE = (1, 40, 40, 1)
WORKLOADS = {
    w.name: w
    for w in (
        Workload("sine", "sine", SINE, 5, 5, 1),
        Workload("sine-paper", "sine", SINE, 10, 10, 1, phase=math.pi),
        Workload("sine-paper-5steps", "sine", SINE, 10, 10, 5, phase=math.pi),
        Workload("sine-paper-first-order", "sine", SINE, 10, 10, 1, order="first", phase=math.pi),
        Workload("series", "series", (30, 10, 10, 1), 10, 10, 5),
    )
}


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

    The candidates take turns, so that a machine that slows down for a while slows all of them alike.
    """
    made = {name: make() for name, make in candidates.items()}
    best = dict.fromkeys(made, 0.0)
    for turn in range(4):
        for name, (call, iterations) in made.items():
            best[name] = max(best[name], *rates(call, iterations, 1, 0.1, warm_up=0 if turn else 2))
    for name, rate in best.items():
        print(f"    {rate:>10.1f}  {name}", file=sys.stderr, flush=True)
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
        "blocks": measured,
        **extra,
    }


def show(result):
    """Prints one row; the spread is that of the blocks, and tells how quiet the machine was."""
    low, high = min(result["blocks"]), max(result["blocks"])
    print(
        f"{result['workload']:<24}{result['meta_batch']:>6}  {result['iterations_per_s']:>10.1f} meta-iterations/s"
        f"  ({low:.1f} to {high:.1f})  {result['form']}",
        flush=True,
    )


def write(path, results):
    """Writes the rows as a JSON list, if a file was asked for."""
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)
            file.write("\n")


def golden(path):
    """A golden case as (case, tensors); exits with a reason where the peers' plain MLP cannot express it."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        case = json.loads(file.metadata()["case"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    inner, kinds = case["inner"], [layer["type"] for layer in case["layers"]]
    alternating = kinds == ["linear", "relu"] * (len(kinds) // 2) + ["linear"]
    for wrong, why in (
        (not alternating, f"its layers are {kinds}, and only linear with ReLU between is supported"),
        (case["loss"] != "mse", f"its loss is {case['loss']}, and only mse is supported"),
        (inner["lr"] == "learned", "its rates are learned"),
        (inner["adapt"] != "all", f"it adapts {inner['adapt']} only"),
        ("loss_weights" in inner, "it weighs the losses of several steps"),
    ):
        if wrong:
            sys.exit(f"{path}: not a case for the peers: {why}")
    return case, tensors


def layers(tensors, prefix):
    """[(weight, bias)] of a golden case under `theta` or `meta_grad`, weights as [in, out]."""
    numbers = sorted({int(name.split(".")[1]) for name in tensors if name.startswith(prefix + ".")})
    return [(tensors[f"{prefix}.{n}.weight"].T, tensors[f"{prefix}.{n}.bias"]) for n in numbers]


def distance(out, reference):
    """‖out − reference‖ / ‖reference‖ of two [(weight, bias)] lists: of the worst tensor. NaN stays NaN."""
    worst = []
    for out_layer, reference_layer in zip(out, reference, strict=True):
        for a, b in zip(out_layer, reference_layer, strict=True):
            if a.shape != b.shape:
                raise ValueError(f"a gradient of shape {a.shape} for a parameter of {b.shape}")
            worst.append(math.sqrt(float(((a - b) ** 2).sum() / (b**2).sum())))
    return math.nan if any(map(math.isnan, worst)) else max(worst)


def judge(case, kind, outs, tensors, tolerance):
    """Prints how far the meta-gradients `outs` ({form: gradient}) are from a golden case's; True if all are near."""
    reference = layers(tensors, "meta_grad")
    errors = {form: distance(out, reference) for form, out in outs.items()}
    wrong = {form: error for form, error in errors.items() if not error <= tolerance}  # NaN is wrong too
    worst = f"at most {max(errors.values()):.1e} in {len(errors)} forms" if not wrong else "WRONG"
    print(f"{case['name']:<18}{kind:<10}relative error {worst}", flush=True)
    for form, error in wrong.items():
        print(f"    {error:.1e}, above {tolerance}: {form}", flush=True)
    return not wrong
