"""Training on drawn tasks and on a generator: callbacks, errors, interrupts, what is seen."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import fastweights as fw
import numpy as np
import pytest


def network(**settings):
    model = fw.Sequential(fw.Linear(1, 20), fw.ReLU(), fw.Linear(20, 1))
    return fw.MAML(model, device="cpu", optimizer=fw.Adam(1e-2), **settings)


def test_the_sinusoid_is_learned_and_a_training_in_parts_is_one():
    whole, parts, seen = network(), network(), []
    tasks = fw.tasks.Sinusoid(10, 10)
    losses = whole.fit(tasks, 400, meta_batch=16, seed=3)
    assert losses[-50:].mean() < 0.95 * losses[:50].mean()
    first = parts.fit(tasks, 150, meta_batch=16, seed=3, callback=seen.append, every=60)
    second = parts.fit(tasks, 250, meta_batch=16, seed=3)
    np.testing.assert_array_equal(np.concatenate([first, second]), losses)
    assert [(p.iteration, p.total) for p in seen] == [(60, 150), (120, 150), (150, 150)]
    assert all(p.rate > 0 and np.isfinite(p.loss) for p in seen)


def test_steps_on_drawn_arrays_are_the_training():
    fitted, stepped = network(), network()
    tasks = fw.tasks.Sinusoid(5, 5)
    losses = fitted.fit(tasks, 5, meta_batch=8, seed=2)
    for iteration in range(5):
        assert stepped.step(*tasks.sample(8, seed=2, iteration=iteration)) == pytest.approx(losses[iteration], rel=1e-4)


def test_a_generator_of_meta_batches_and_one_of_tasks():
    tasks = fw.tasks.Sinusoid(5, 5)
    batches = [tasks.sample(4, seed=1, iteration=i) for i in range(6)]
    expected = [network_.step(*batch) for network_ in [network()] for batch in batches]
    np.testing.assert_array_equal(network().fit(iter(batches), 6), np.float32(expected))
    singles = [((sx[t], sy[t]), (qx[t], qy[t])) for (sx, sy), (qx, qy) in batches for t in range(4)]
    np.testing.assert_array_equal(network().fit((item for item in singles), 100, meta_batch=4), np.float32(expected))
    with pytest.raises(ValueError, match="item 1 of the tasks"):
        network().fit([batches[0], 3], 5)
    with pytest.raises(TypeError, match="iterable"):
        network().fit(3, 5)


@pytest.mark.parametrize("source", ["drawn", "generator"])
def test_a_callback_may_end_look_and_raise(source):
    drawn = fw.tasks.Sinusoid(5, 5)
    tasks = lambda: drawn if source == "drawn" else (drawn.sample(4, iteration=i) for i in range(10**9))  # noqa: E731
    maml, threads = network(), threading.active_count()
    assert len(maml.fit(tasks(), 10**6, callback=lambda p: True, every=7)) == 7

    def fail(progress):
        assert maml.iteration == progress.iteration
        maml.adapt(*(a[0] for a in drawn.sample(1)[0]), steps=2)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        maml.fit(tasks(), 10**6, callback=fail, every=3)
    assert maml.iteration == 9 and np.isfinite(maml.step(*drawn.sample(2)))
    assert threading.active_count() == threads


def test_what_a_generator_raises_arrives():
    def broken():
        yield fw.tasks.Sinusoid(5, 5).sample(2)
        raise OSError("the disk")

    maml = network()
    with pytest.raises(OSError, match="the disk"):
        maml.fit(broken(), 10)
    assert maml.iteration == 1


def test_a_learner_that_is_trained_is_not_changed_meanwhile():
    maml = network()
    with pytest.raises(ValueError, match="was changed while it was trained"):
        maml.fit(fw.tasks.Sinusoid(), 10**6, callback=lambda p: maml.step(*fw.tasks.Sinusoid().sample(2)) and None, every=1)


def test_bad_arguments_are_refused():
    maml, tasks = network(), fw.tasks.Sinusoid(5, 5)
    for more, words in [({"iterations": -1}, "iterations"), ({"iterations": 1, "every": 0}, "every"), ({"iterations": 1, "meta_batch": 0}, "meta_batch")]:
        with pytest.raises(ValueError, match=words):
            maml.fit(tasks, **more)
    with pytest.raises(ValueError, match="model.inputs"):
        maml.fit(fw.tasks.FromRecipe("glyphs-5way-1shot"), 1)
    cosine = fw.MAML(maml.model, device="cpu", optimizer=fw.Adam(schedule="cosine"), iterations=10)
    cosine.fit(tasks, 10)
    with pytest.raises(ValueError, match="schedule ends at 10"):
        cosine.fit(tasks, 1)
    assert len(maml.fit(tasks, 0)) == 0
    runaway = fw.MAML(maml.model, device="cpu", inner_lr=1e30)
    with pytest.raises(FloatingPointError, match="not finite"):
        runaway.fit(tasks, 10)


def test_trainings_and_tasks_that_cannot_be_are_refused_by_name():
    maml, tasks = network(), fw.tasks.Sinusoid(5, 5)
    x, labels = np.zeros((10, 3)), np.arange(10) // 5
    for call, kind, words in [
        (lambda: maml.fit(tasks, -1), ValueError, "iterations is -1; a whole number of 0 or more is needed"),
        (lambda: maml.fit(tasks, 1e3), ValueError, "iterations is 1000.0"),
        (lambda: maml.fit(tasks, 2**70), ValueError, "iterations is 1180591620717411303424"),
        (lambda: maml.fit(tasks, 1, every=0), ValueError, "every is 0; a whole number of 1 or more is needed"),
        (lambda: maml.fit(tasks, 1, meta_batch=0), ValueError, "meta_batch is 0"),
        (lambda: maml.fit(tasks, 1, seed=-1), ValueError, "seed is -1"),
        (lambda: maml.fit(tasks, 1, callback=3), TypeError, "callback is 3; a function is needed"),
        (lambda: maml.fit("sinusoid", 1), TypeError, r"FromRecipe\('sinusoid'\)"),
        (lambda: tasks.sample(0), ValueError, "tasks is 0"),
        (lambda: tasks.sample(1, iteration=-1), ValueError, "iteration is -1"),
        (lambda: fw.tasks.Sinusoid(-1), ValueError, "support is -1"),
        (lambda: fw.tasks.Sinusoid(amplitude=(5, 1)), ValueError, r"amplitude is \(5, 1\); \(low, high\) with low ≤ high"),
        (lambda: fw.tasks.Sinusoid(phase=(0, float("nan"))), ValueError, "phase is nan"),
        (lambda: fw.tasks.Sinusoid(x=3), ValueError, r"x is 3; \(low, high\) is needed"),
        (lambda: fw.tasks.Sinusoid(pool=0), ValueError, "pool is 0"),
        (lambda: fw.tasks.Classes(x, labels, ways=2, shots=-1), ValueError, "shots is -1"),
        (lambda: fw.tasks.Classes(x * np.nan, labels, ways=2, queries=1), FloatingPointError, "row 0, feature 0 is NaN"),
        (lambda: fw.tasks.FromRecipe("sinusoidd"), ValueError, "neither a recipe nor a file"),
    ]:
        with pytest.raises(kind, match=words):
            call()
    assert maml.iteration == 0


def test_classes_of_ones_own_and_their_splits():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 4))
    labels = np.repeat([f"class {c}" for c in range(12)], 10)
    x = (centres.repeat(10, axis=0) + 0.1 * rng.normal(size=(120, 4))).reshape(120, 2, 2)
    train, test = fw.tasks.Classes(x, labels, ways=3, shots=1, queries=4).split(8, test=4)
    assert train.support == 3 and train.query == 12 and train.inputs == 4
    model = fw.Sequential(fw.Linear(4, 32), fw.ReLU(), fw.Linear(32, 3))
    maml = fw.MAML(model, "cross_entropy", inner_lr=0.4, inner_steps=2, device="cpu", optimizer=fw.Adam(3e-3))
    maml.fit(train, 300, meta_batch=8)
    assert maml.evaluate(*test.sample(50), steps=3).accuracies[:, -1].mean() > 0.8
    with pytest.raises(ValueError, match="labels"):
        fw.tasks.Classes(x, labels[:-1])
    with pytest.raises(ValueError, match="task.ways"):
        fw.tasks.Classes(x, labels, ways=13)


def interrupted(script):
    program = textwrap.dedent(script)
    # Where the tests run in a shell's background SIGINT is ignored, and a child would inherit that.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ)
    finally:
        signal.signal(signal.SIGINT, heard)
    try:
        assert process.stdout.readline().strip() == "ready"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, out


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("tasks", ["fw.tasks.Sinusoid()", "(fw.tasks.Sinusoid().sample(4, iteration=i) for i in range(10**9))"])
def test_control_c_stops_a_training_cleanly(tasks):
    code, out = interrupted(f"""
        import fastweights as fw
        maml = fw.MAML(fw.MLP(1, [40, 40], 1), device="cpu")
        print("ready", flush=True)
        try:
            maml.fit({tasks}, 10**9)
        except KeyboardInterrupt:
            print(maml.iteration > 0, maml.step(*fw.tasks.Sinusoid().sample(2)) > 0)
    """)
    assert code == 0 and out.strip() == "True True"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_learner_on_the_cpu_survives_a_fork():
    maml = network()
    support, query = fw.tasks.Sinusoid(5, 5).sample(64)
    expected = maml.meta_gradient(support, query)[0]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        maml.fit(fw.tasks.Sinusoid(5, 5), 0)
        os.write(writer, repr(maml.meta_gradient(support, query)[0]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert float(os.read(reader, 100)) == expected


def test_a_recipe_runs_into_a_directory(tmp_path):
    seen = []
    small = {"outer.iterations": 60, "evaluation": {"tasks": 20, "steps": 2}, "control.enabled": False}
    run = fw.train("sinusoid", small, out=tmp_path / "run", device="cpu", callback=seen.append)
    assert run.iterations == 60 and run.evaluation["tasks"] == 20 and seen[-1].iteration == 60
    assert {p.name for p in run.path.iterdir()} >= {"recipe.toml", "metrics.jsonl", "checkpoints", "evaluation.json", "plots"}
    assert run.state_dict()["0.weight"].shape == (40, 1)
    stopped = fw.train("sinusoid", {**small, "outer.iterations": 5000}, out=tmp_path / "stopped", device="cpu", callback=lambda p: True)
    assert stopped.evaluation is None and 0 < stopped.iterations < 5000
    resumed = fw.train(resume=stopped.path, overrides={"outer.iterations": stopped.iterations + 10}, device="cpu")
    assert resumed.iterations == stopped.iterations + 10 and resumed.evaluation is not None
    with pytest.raises(ValueError, match="did you mean `sinusoid`"):
        fw.train("sinusoidd", out=tmp_path / "x")
    with pytest.raises(ValueError, match="inner.stepz"):
        fw.train("sinusoid", {"inner.stepz": 1}, out=tmp_path / "x")
    with pytest.raises(OSError, match="exists already"):
        fw.train("sinusoid", out=tmp_path / "run")
    for call, kind, words in [
        (lambda: fw.train("sinusoid", "inner.steps=5"), TypeError, "overrides is 'inner.steps=5'"),
        (lambda: fw.train("sinusoid", {"model.hidden": None}), ValueError, "`model.hidden` is None"),
        (lambda: fw.train(None), TypeError, "recipe is None"),
        (lambda: fw.train(resume=run.path, out=tmp_path / "y"), ValueError, "out and resume"),
        (lambda: fw.train("sinusoid", {"inner.steps": np.float32(1.5)}, out=tmp_path / "x"), ValueError, "inner.steps`: is 1.5"),
    ]:
        with pytest.raises(kind, match=words):
            call()
    assert not (tmp_path / "x").exists() and "omniglot-5way-1shot" in fw.recipes()
