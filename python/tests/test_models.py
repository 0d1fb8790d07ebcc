"""Models: names, shapes, every op, graphs, presets, copies, refusals."""

import copy
import pickle

import fastweights as fw
import numpy as np
import pytest
from fastweights import _engine, ops


def test_every_op_of_the_engine_has_a_class_and_every_loss():
    images = {"conv2d": fw.Conv2d(2, 3, 3), "max_pool2d": fw.MaxPool2d(2), "avg_pool2d": fw.AvgPool2d(2, 1)}
    known = {}
    for cls in ops.CLASSES.values():
        if not cls._type:
            continue
        op = images.get(cls._type) or {
            "linear": lambda: fw.Linear(4, 3), "conv1d": lambda: fw.Conv1d(2, 3, 3), "group_norm": lambda: fw.GroupNorm(2),
            "fourier": lambda: fw.Fourier(3), "latent": lambda: fw.Latent(3), "add": lambda: fw.Add("a", "b"),
            "mul": lambda: fw.Mul("a", "b"), "concat": lambda: fw.Concat("a", "b"),
        }.get(cls._type, cls)()  # fmt: skip
        known[cls._type] = op
        assert ops.read(ops.write(op)) == op
    aliases = {"gelu_tanh": "gelu"}
    assert {aliases.get(name, name) for name in _engine.ops()} <= known.keys()
    assert set(_engine.losses()) == {"mse", "huber", "bce_with_logits", "cross_entropy"}


def test_a_sequence_is_named_as_in_torch():
    model = fw.Sequential(fw.Conv2d(1, 4, 3, padding=1), fw.BatchNorm(), fw.ReLU(), fw.MaxPool2d(2), fw.Flatten(), fw.Linear(36, 5), input_shape=(1, 6, 6))
    assert list(model.parameters) == ["0.weight", "0.bias", "1.weight", "1.bias", "5.weight", "5.bias"]
    assert model.parameters["0.weight"] == (4, 1, 3, 3) and model.outputs == 5 and model.inputs == 36
    assert "Conv2d" in repr(model) and str(model.parameter_count) in repr(model)


def test_graphs_and_presets_are_copied_and_written():
    graph = fw.Graph({
        "latent": fw.Latent(8),
        "first": fw.Linear(2, 8).of("input"),
        "sum": fw.Add("first", "latent"),
        "act": fw.Sine(3.0),
        "both": fw.Concat("act", "first"),
        "out": fw.Linear(16, 2),
    }, input_shape=2)  # fmt: skip
    presets = [
        graph, fw.MLP(3, [5, 4], 2, fw.ELU(0.5)), fw.Conv4((1, 16, 16), 3, channels=4), fw.SIREN(2, [8, 8], 1, omega=5.0),
        fw.ResNet12((1, 16, 16), 3, channels=(2, 3, 4, 5)), fw.WideResNet((1, 8, 8), 3, depth=10, width=1),
    ]  # fmt: skip
    for model in presets:
        for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model)), fw.models.read(model._write())):
            assert twin == model and twin.parameters == model.parameters and repr(twin) == repr(model)
        learner = fw.MAML(model, "mse", device="cpu")
        x = np.random.default_rng(0).normal(size=(1, 3, *model.input_shape))
        y = np.zeros((1, 3, model.outputs))
        assert np.isfinite(learner.step((x, y), (x, y)))
    assert "of input" in repr(graph)


def test_ops_and_settings_are_values():
    for make, other, text in [
        (lambda: fw.Linear(1, 2), fw.Linear(1, 3), "Linear(in_features=1, out_features=2, bias=True)"),
        (lambda: fw.ELU(0.5), fw.LeakyReLU(0.5), "ELU(alpha=0.5)"),
        (lambda: fw.Add("a", "b"), fw.Mul("a", "b"), "Add('a', 'b')"),
        (lambda: fw.Huber(0.5), fw.Huber(), "Huber(delta=0.5)"),
        (lambda: fw.SGD(0.1), fw.SGD(0.2), "SGD(lr=0.1, schedule='constant', clip_value=None, clip_norm=None)"),
    ]:
        one = make()
        assert one == make() and hash(one) == hash(make()) and one != other and repr(one) == text
        assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
        for name in (next(iter(one.__dataclass_fields__)), "colour"):
            with pytest.raises(AttributeError, match=f"does not change: {name}"):
                setattr(one, name, 3)
        assert repr(one) == text


def test_what_does_not_fit_is_refused_by_name():
    for make, words in [
        (lambda: fw.Sequential(fw.ReLU()), "input_shape"),
        (lambda: fw.Sequential(fw.Linear(3, 4), fw.Linear(5, 1)), "is to take 5 features, but 0 has 4"),
        (lambda: fw.Sequential(fw.Linear(3, 4), fw.Conv2d(4, 2, 3)), "takes an image"),
        (lambda: fw.Sequential(fw.Conv2d(3, 2, 3), input_shape=(1, 8, 8)), "is to take 3 channels, but input has 1"),
        (lambda: fw.Graph({"a": fw.Linear(1, 2), "b": fw.Linear(2, 1).of("c")}), "its input `c` is no node"),
        (lambda: fw.Graph({"a": fw.Linear(1, 2), "b": fw.Linear(1, 1).of("input")}), "used by no node"),
        (lambda: fw.Sequential(fw.Linear(1, 1), input_shape=(1, 2)), "input_shape"),
        (lambda: fw.MLP(1, [0], 1), "model.hidden"),
        (lambda: fw.Sequential(fw.LayerNorm(eps=-1.0), fw.Linear(1, 1), input_shape=1), "eps"),
    ]:
        with pytest.raises(ValueError, match=words):
            make()
    with pytest.raises(TypeError, match="no op"):
        fw.Sequential(fw.Linear(1, 1), "relu")
    with pytest.raises(TypeError, match=r"call it, ReLU\(…\)"):
        fw.Sequential(fw.Linear(1, 1), fw.ReLU)
    with pytest.raises(ValueError, match=r"layer `\[0\]`: .*3.5"):
        fw.Sequential(fw.Linear(1, 3.5))
