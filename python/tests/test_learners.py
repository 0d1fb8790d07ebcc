"""Learners over arrays: what a step is, tasks of unequal numbers of points, adapting, state, copies, refusals."""

import copy
import pickle
import threading

import fastweights as fw
import numpy as np
import pytest


def network(**settings):
    model = fw.Sequential(fw.Linear(1, 8), fw.Tanh(), fw.Linear(8, 1))
    return fw.MAML(model, inner_lr=0.1, device="cpu", **settings)


def sines(tasks, points, seed=0):
    rng = np.random.default_rng(seed)
    amplitude, phase = rng.uniform(0.5, 2, (tasks, 1, 1)), rng.uniform(0, 3, (tasks, 1, 1))

    def some():
        x = rng.uniform(-3, 3, (tasks, points, 1))
        return x.astype(np.float32), (amplitude * np.sin(x + phase)).astype(np.float32)

    return some(), some()


def loss_at(maml, theta, support, query):
    """The meta-loss in float64, by hand: one inner step, tanh."""

    def forward(w, x):
        return np.tanh(x @ w[0].T + w[1]) @ w[2].T + w[3]

    def gradient(w, x, y):
        h = np.tanh(x @ w[0].T + w[1])
        dy = 2 * (h @ w[2].T + w[3] - y) / y.size
        dh = (dy @ w[2]) * (1 - h * h)
        return [dh.T @ x, dh.sum(0), dy.T @ h, dy.sum(0)]

    losses = []
    for sx, sy, qx, qy in zip(*support, *query):
        w = [t - 0.1 * g for t, g in zip(theta, gradient(theta, sx.astype(float), sy.astype(float)))]
        losses.append(np.mean((forward(w, qx.astype(float)) - qy) ** 2))
    return np.mean(losses)


def test_the_meta_gradient_is_the_slope_of_the_meta_loss():
    maml = network()
    support, query = sines(5, 7)
    loss, gradient = maml.meta_gradient(support, query)
    theta = [values.astype(float) for values in maml.state_dict().values()]
    assert loss == pytest.approx(loss_at(maml, theta, support, query), rel=1e-5)
    for part, (name, slope) in enumerate(gradient.items()):
        for place in np.ndindex(slope.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [values.copy() for values in theta]
                moved[part][place] += step
                ends.append(loss_at(maml, moved, support, query))
            assert slope[place] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=2e-4, abs=2e-6), (name, place)


def test_a_step_is_the_gradient_and_adam():
    maml = network(optimizer=fw.Adam(0.01))
    support, query = sines(4, 6)
    before, (_, gradient) = maml.state_dict(), maml.meta_gradient(support, query)
    losses = [maml.step(support, query) for _ in range(30)]
    assert losses[-1] < losses[0] and maml.iteration == 30
    other = network(optimizer=fw.Adam(0.01))
    other.step(support, query)
    for name, values in other.state_dict().items():
        # The first step of Adam goes by the sign alone.
        np.testing.assert_allclose(values, before[name] - 0.01 * np.sign(gradient[name]), atol=2e-5)


def test_many_tasks_at_once_are_the_mean_of_their_gradients():
    maml = network()
    support, query = sines(6, 5)
    _, whole = maml.meta_gradient(support, query)
    parts = [maml.meta_gradient(tuple(a[t : t + 1] for a in support), tuple(a[t : t + 1] for a in query))[1] for t in range(6)]
    for name in whole:
        np.testing.assert_allclose(whole[name], np.mean([part[name] for part in parts], axis=0), rtol=1e-4, atol=1e-6)


def test_ragged_tasks_and_masks_are_the_tasks_alone():
    maml = network()
    (sx, sy), (qx, qy) = sines(3, 6)
    counts = [2, 6, 4]
    ragged = ([sx[t][:n] for t, n in enumerate(counts)], [sy[t][:n] for t, n in enumerate(counts)])
    mask = np.arange(6) < np.array(counts)[:, None]
    junk = np.where(mask[..., None], sy, 1e6).astype(np.float32)
    _, one = maml.meta_gradient(ragged, (list(qx), list(qy)))
    _, other = maml.meta_gradient((sx, junk, mask), (qx, qy))
    alone = [maml.meta_gradient((sx[t : t + 1, :n], sy[t : t + 1, :n]), (qx[t : t + 1], qy[t : t + 1]))[1] for t, n in enumerate(counts)]
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(one[name], np.mean([part[name] for part in alone], axis=0), rtol=2e-4, atol=2e-6)


def test_arrays_of_any_layout_are_the_same_numbers():
    (sx, sy), (qx, qy) = sines(4, 5)
    expected = network().step((sx, sy), (qx, qy))
    wide = np.zeros((4, 10, 1), np.float32)
    wide[:, ::2] = sx
    for x in (wide[:, ::2], np.asfortranarray(sx), sx.astype(np.float64)):
        assert not (x.flags.c_contiguous and x.dtype == np.float32) or x is sx or x.shape[2] == 1
        assert network().step((x, sy[..., 0]), (qx.tolist() and qx, qy)) == expected
    unaligned = np.frombuffer(b"\0" + sx.tobytes(), np.uint8)[1:].view(np.float32).reshape(sx.shape)
    assert network().step((unaligned, sy), (qx, qy)) == expected


def test_contiguous_float32_is_read_where_it_lies():
    from fastweights.batches import floats

    x = np.zeros((2, 3, 1), np.float32)
    assert floats("x", x) is x and floats("x", x[:, ::2]) is not x


def test_adapting_one_task_and_many():
    maml = network(optimizer=fw.Adam(0.01))
    maml.fit(fw.tasks.Sinusoid(), 50)
    (sx, sy), (qx, qy) = sines(3, 8, seed=4)
    many = maml.adapt(sx, sy, steps=4)
    assert len(many) == 3 and many.steps == 4 and many.predict(qx).shape == (3, 8, 1)
    found = maml.evaluate((sx, sy), (qx, qy), steps=4)
    assert found.losses.shape == (3, 5) and found.predictions.shape == (5, 3, 8, 1) and found.accuracies is None
    for task in range(3):
        one = maml.adapt(sx[task], sy[task], steps=2).adapt(sx[task], sy[task], steps=2)
        np.testing.assert_allclose(one.predict(qx[task]), many.predict(qx)[task], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(many[task].predict(qx[task]), many.predict(qx)[task])
        assert one.evaluate(qx[task], qy[task])[0] == pytest.approx(found.losses[task, 4], rel=1e-4)
    np.testing.assert_allclose(many.predict(qx[0])[1], many[1].predict(qx[0]))
    ragged = maml.adapt([sx[0], sx[1][:3]], [sy[0], sy[1][:3]], steps=1)
    alone = maml.adapt(sx[1][:3], sy[1][:3], steps=1)
    np.testing.assert_allclose(ragged.state_dict()["0.weight"][1], alone.state_dict()["0.weight"], rtol=1e-5, atol=1e-6)


def test_classes_have_accuracies():
    model = fw.Sequential(fw.Linear(4, 16), fw.ReLU(), fw.Linear(16, 3))
    maml = fw.MAML(model, "cross_entropy", inner_lr=0.5, inner_steps=3, optimizer=fw.Adam(2e-2), device="cpu")
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 9, 4)), rng.integers(0, 3, (2, 9))
    losses = [maml.step((x, y), (x, y)) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    found = maml.evaluate((x, y), (x, y), steps=5)
    assert found.accuracies.shape == (2, 6) and found.accuracies[:, -1].min() > 0.8
    assert maml.adapt(x, y, 5).evaluate(x, y)[1] == pytest.approx(found.accuracies[:, 5])


@pytest.mark.parametrize("kind", [fw.MAML, fw.FOMAML, fw.ANIL, fw.BOIL, fw.MetaSGD, fw.MAMLPlusPlus, fw.Reptile])
def test_every_algorithm_steps_and_trains(kind, tmp_path):
    model = fw.Sequential(fw.Linear(1, 6), fw.BatchNorm(), fw.ReLU(), fw.Linear(6, 1))
    more = {"iterations": 40} if kind is fw.MAMLPlusPlus else {}
    learner = kind(model, inner_steps=2, device="cpu", **more)
    support, query = sines(3, 5)
    assert np.isfinite(learner.step(support, query))
    losses = learner.fit(fw.tasks.Sinusoid(5, 5), 12, meta_batch=4)
    assert losses.shape == (12,) and learner.iteration == 13
    learner.save(tmp_path / "x.safetensors")
    twins = [fw.load(tmp_path / "x.safetensors", device="cpu"), pickle.loads(pickle.dumps(learner)), copy.deepcopy(learner)]
    next_losses = [twin.step(support, query) for twin in [learner, *twins]]
    assert len(set(next_losses)) == 1 and kind.__name__ in repr(twins[0])
    assert [type(twin) for twin in twins] == [kind] * 3 and twins[0].iteration == 14


@pytest.mark.parametrize("inner", [fw.InnerSGD(weight_decay=0.1), fw.InnerMomentum(0.5), fw.InnerNesterov(), fw.InnerRMSprop(eps=0.1), fw.InnerAdam(eps=1.0, clip_norm=1.0)])
def test_inner_optimizers(inner):
    maml = network(inner_optimizer=inner, inner_steps=3)
    support, query = sines(4, 6)
    plain = network(inner_steps=3).meta_gradient(support, query)[0]
    assert np.isfinite(loss := maml.meta_gradient(support, query)[0]) and loss != plain


def test_state_goes_to_another_learner_and_back():
    one, other = network(seed=1), network(seed=2)
    other.load_state_dict(one.state_dict())
    support, query = sines(3, 5)
    assert one.meta_gradient(support, query)[0] == other.meta_gradient(support, query)[0]
    state = one.state_dict()
    with pytest.raises(ValueError, match="no 0.weight"):
        other.load_state_dict({name: values for name, values in state.items() if name != "0.weight"})
    with pytest.raises(ValueError, match="unknown bias"):
        other.load_state_dict({**state, "bias": state["0.bias"]})
    with pytest.raises(ValueError, match=r"0.weight: \[8, 1\] is needed, not \[1, 8\]"):
        other.load_state_dict({**state, "0.weight": state["0.weight"].T})
    learner = one.adapt(support[0][0], support[1][0], 2)
    twin = pickle.loads(pickle.dumps(learner))
    np.testing.assert_array_equal(twin.predict(query[0][0]), learner.predict(query[0][0]))
    learned = fw.MetaSGD(fw.Sequential(fw.Linear(1, 3), fw.Linear(3, 1)), device="cpu")
    assert learned.state_dict()["inner_lr"].shape == (learned.model.parameter_count,)


def test_bad_input_is_refused_by_name():
    maml = network()
    (sx, sy), (qx, qy) = sines(3, 5)
    nan = sx.copy()
    nan[1, 2] = np.nan
    for support, query, kind, words in [
        ((sx[..., 0], sy), (qx, qy), ValueError, r"support x: \[tasks, points, 1\] is needed, not \[3, 5\]"),
        ((sx, sy[:, :4]), (qx, qy), ValueError, r"support y: \[3, 5\], targets, is needed, not \[3, 4, 1\]"),
        ((sx, sy), (qx[:2], qy[:2]), ValueError, "support has 3 tasks and query has 2"),
        ((nan, sy), (qx, qy), FloatingPointError, "support x of task 1, point 2: NaN"),
        ((sx, np.full_like(sy, np.inf)), (qx, qy), FloatingPointError, "support y of task 0, point 0: inf"),
        ((sx.astype(complex), sy), (qx, qy), ValueError, "complex128"),
        ((np.array([["a"]]), sy), (qx, qy), ValueError, "<U1"),
        ((sx, sy, np.zeros((3, 5))), (qx, qy), ValueError, "support weights of task 0"),
        ((sx, sy, np.ones((3, 4))), (qx, qy), ValueError, r"support mask: \[3, 5\] is needed"),
        (sx, (qx, qy), ValueError, r"support: \(x, y\)"),
        ((sx[:, :0], sy[:, :0]), (qx, qy), ValueError, "support"),
        ((sx[:0], sy[:0]), (qx[:0], qy[:0]), ValueError, "tasks"),
        (([sx[0], sx[1][:0]], [sy[0], sy[1][:0]]), ([qx[0], qx[1]], [qy[0], qy[1]]), ValueError, "support x of task 1 has no points"),
    ]:
        with pytest.raises(kind, match=words):
            maml.step(support, query)
    assert maml.iteration == 0 and np.isfinite(maml.step((sx, sy), (qx, qy)))
    classes = fw.MAML(fw.Sequential(fw.Linear(1, 3)), "cross_entropy", device="cpu")
    labels = np.zeros((3, 5))
    for wrong in (3, -1, 0.5):
        labels[2, 1] = wrong
        with pytest.raises(ValueError, match=f"class label {wrong:g} is not one of 0 … 2"):
            classes.step((sx, labels), (qx, labels * 0))
        with pytest.raises(ValueError, match=f"class label {wrong:g} is not one of 0 … 2"):
            classes.adapt(sx, np.zeros((3, 5)), 1).evaluate(sx, labels)


def test_what_an_adapted_learner_cannot_take():
    maml = network()
    (sx, sy), _ = sines(3, 5)
    learner = maml.adapt(sx[0], sy[0])
    nan = np.full_like(sx[0], np.nan)
    for call, kind, words in [
        (lambda: maml.adapt(sx[0, :0], sy[0, :0]), ValueError, r"x has no points: \[0, 1\]"),
        (lambda: maml.adapt(sx, sy, steps=-1), ValueError, "steps is -1"),
        (lambda: maml.adapt(sx, sy, steps=10**12), ValueError, "steps is 1000000000000; a whole number from 0 to 100000"),
        (lambda: maml.evaluate((sx, sy), (sx, sy), steps=10**9), ValueError, "steps"),
        (lambda: learner.adapt(sx[0], sy[0], steps=1.5), ValueError, "steps is 1.5"),
        (lambda: learner.predict(sx[0, :0]), ValueError, "x has no points"),
        (lambda: learner.predict(nan), FloatingPointError, "x has numbers that are not finite"),
        (lambda: learner.evaluate(nan, sy[0]), FloatingPointError, "x has numbers"),
        (lambda: learner.predict(sx), ValueError, r"\[points, 1\] is needed"),
        (lambda: learner[0], IndexError, "no task 0"),
        (lambda: maml.load_state_dict(None), TypeError, "the state is NoneType"),
        (lambda: maml.step((np.ma.masked_array(sx, sx > 0), sy), (sx, sy)), ValueError, "a masked array is not read"),
    ]:
        with pytest.raises(kind, match=words):
            call()
    assert learner.steps == 1 and np.isfinite(learner.predict(sx[0])).all()


def test_bad_settings_are_refused_by_name():
    model = fw.Sequential(fw.Linear(1, 3), fw.ReLU(), fw.Linear(3, 1))
    for settings, kind, words in [
        ({"loss": "mae"}, ValueError, "mae"),
        ({"loss": fw.Huber(-1)}, ValueError, "delta"),
        ({"inner_lr": float("inf")}, ValueError, "inner_lr is inf; a finite number of 0 or more is needed"),
        ({"inner_lr": -0.1}, ValueError, "inner_lr is -0.1"),
        ({"inner_steps": 1.5}, ValueError, "inner_steps is 1.5; a whole number from 0 to 1000 is needed"),
        ({"inner_steps": 10**12}, ValueError, "inner_steps"),
        ({"loss_weights": [0.0, float("nan")]}, ValueError, "loss_weights is nan"),
        ({"per_step_batch_norm": "yes"}, ValueError, "per_step_batch_norm is 'yes'; True or False is needed"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"iterations": "many"}, ValueError, "iterations is 'many'"),
        ({"order": "third"}, ValueError, "the setting `inner.order`: unknown variant `third`, expected one of `first`"),
        ({"init": "zeros"}, ValueError, "the setting `init`: unknown variant `zeros`"),
        ({"optimizer": fw.Adam(float("nan"))}, ValueError, "Adam: lr is nan; a finite number is needed"),
        ({"optimizer": fw.Adam("fast")}, ValueError, "the setting `outer.lr`: .*fast"),
        ({"adapt": ["head.*"]}, ValueError, "matches no parameter"),
        ({"init": "siren"}, ValueError, "no sine"),
        ({"optimizer": fw.Adam(betas=(0.9, 1.0))}, ValueError, "outer.betas"),
        ({"optimizer": fw.Adam(schedule="cosine")}, ValueError, "iterations"),
        ({"optimizer": "adam"}, TypeError, "optimizer"),
        ({"inner_optimizer": fw.InnerMomentum(1.5)}, ValueError, "inner.momentum"),
        ({"device": "no such adapter"}, fw.DeviceError, "no such adapter"),
        ({"device": ""}, TypeError, "device is ''; a name is needed"),
        ({"device": 99}, fw.DeviceError, "no adapter 99"),
        ({"threads": 0}, ValueError, "threads"),
        ({"threads": "2"}, ValueError, "threads is '2'"),
        ({"lr": 0.1}, TypeError, "lr"),
    ]:
        with pytest.raises(kind, match=words):
            fw.MAML(model, **{"device": "cpu", **settings})
    for wrong, words in [
        (fw.Linear(1, 1), "model is the op Linear.*Sequential"),
        (None, "model is NoneType"),
    ]:
        with pytest.raises(TypeError, match=words):
            fw.MAML(wrong, device="cpu")
    with pytest.raises(ValueError, match="MAMLPlusPlus needs"):
        fw.MAMLPlusPlus(model, device="cpu")
    with pytest.raises(OSError, match="nowhere.safetensors"):
        fw.load("nowhere.safetensors")


def test_threads_share_a_learner():
    maml = network(optimizer=fw.SGD(1e-3))
    support, query = sines(4, 5)
    failed = []

    def work():
        try:
            for _ in range(50):
                maml.step(support, query)
                maml.adapt(support[0][0], support[1][0], 1).predict(query[0][0])
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and maml.iteration == 200
    alone = network(optimizer=fw.SGD(1e-3))
    for _ in range(200):
        alone.step(support, query)
    np.testing.assert_array_equal(maml.state_dict()["0.weight"], alone.state_dict()["0.weight"])
