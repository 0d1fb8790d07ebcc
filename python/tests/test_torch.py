"""Modules of PyTorch: meta-gradients against torch.func in float64, whole loops, refusals with the line."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import fastweights as fw  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.func import functional_call, grad  # noqa: E402

TOLERANCE = 2e-5


def norm(channels):
    return nn.BatchNorm2d(channels, track_running_stats=False)


def conv4(pool):
    layers, inputs = [], 1
    for _ in range(4):
        layers += [nn.Conv2d(inputs, 6, 3, stride=1 if pool else 2, padding=1), norm(6), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
        inputs = 6
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(6, 5))


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = norm(outputs)
        self.conv3 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn3 = norm(outputs)
        self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), norm(outputs))

    def forward(self, x):
        y = F.leaky_relu(self.bn1(self.conv1(x)), negative_slope=0.1)
        y = F.leaky_relu(self.bn2(self.conv2(y)), 0.1)
        y = self.bn3(self.conv3(y)) + self.downsample(x)
        return F.max_pool2d(F.leaky_relu(y, 0.1), 2)


class Resnet12(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [3, 4, 5, 6, 7]
        for i in range(4):
            setattr(self, f"layer{i + 1}", nn.Sequential(Block(widths[i], widths[i + 1])))
        self.fc = nn.Linear(7, 5)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class Siren(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.last(torch.sin(3.0 * self.second(torch.sin(5.0 * self.first(x)))))


class Shared(nn.Module):
    """A value that several nodes take."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.gate, self.out = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(16, 2)

    def forward(self, x):
        h = torch.tanh(self.first(x))
        return self.out(torch.cat((h + self.second(h), h * torch.sigmoid(self.gate(h))), dim=1))


class Latent(nn.Module):
    """A vector that every point sees."""

    def __init__(self):
        super().__init__()
        self.latent = nn.Parameter(torch.full((6,), 0.1))
        self.inner, self.out = nn.Linear(2, 6), nn.Linear(6, 1)

    def forward(self, x):
        return self.out(F.silu(self.inner(x) + self.latent))


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True)
        self.d, self.e = nn.AvgPool2d(2), nn.Linear(36, 3)

    def forward(self, x):
        x = self.d(self.c(F.gelu(self.b(self.a(x)))))
        return self.e(x.view(x.size(0), -1))


CASES = {
    "perceptron": (lambda: nn.Sequential(nn.Linear(1, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 1)), (1,), nn.MSELoss(), {}),
    "five steps": (lambda: nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Linear(9, 2)), (2,), nn.MSELoss(), {"inner_steps": 5}),
    "layer norm": (lambda: nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.ELU(), nn.Linear(8, 4)), (3,), nn.CrossEntropyLoss(label_smoothing=0.1), {}),
    "decisions": (lambda: nn.Sequential(nn.Linear(4, 7), nn.Softplus(), nn.Linear(7, 3)), (4,), nn.BCEWithLogitsLoss(), {}),
    "series": (lambda: nn.Sequential(nn.Conv1d(2, 5, 3, padding=1), nn.GELU("tanh"), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(25, 2)), (2, 10), nn.HuberLoss(delta=0.5), {}),
    "conv4, pools": (lambda: conv4(True), (1, 16, 16), nn.CrossEntropyLoss(), {"inner_lr": 0.3}),
    "conv4, strides": (lambda: conv4(False), (1, 16, 16), nn.CrossEntropyLoss(), {"inner_steps": 2}),
    "resnet12": (Resnet12, (3, 16, 16), nn.CrossEntropyLoss(), {}),
    "siren": (Siren, (2,), nn.MSELoss(), {"inner_steps": 3}),
    "a shared value": (Shared, (3,), nn.MSELoss(), {}),
    "a latent": (Latent, (2,), nn.MSELoss(), {"inner_steps": 2}),
    "norms": (Norms, (2, 8, 8), nn.CrossEntropyLoss(), {}),
}  # fmt: skip


def tasks(shape, loss, outputs, seed=0, count=3, points=6):
    rng = np.random.default_rng(seed)

    def some():
        x = torch.tensor(rng.normal(size=(count, points, *shape)), dtype=torch.float32)
        if isinstance(loss, nn.CrossEntropyLoss):
            return x, torch.tensor(rng.integers(0, outputs, (count, points)))
        y = rng.normal(size=(count, points, outputs))
        return x, torch.tensor(1 / (1 + np.exp(-y)) if isinstance(loss, nn.BCEWithLogitsLoss) else y, dtype=torch.float32)

    return some(), some()


def reference(module, loss, support, query, lr, steps):
    """The meta-gradient in float64, through torch.func."""
    module = copy.deepcopy(module).double()

    def wide(x, y):
        return x.double(), y if y.dtype == torch.int64 else y.double()

    def task_loss(theta, sx, sy, qx, qy):
        def set_loss(theta, x, y):
            return loss(functional_call(module, theta, (x,)), y)

        for _ in range(steps):
            slope = grad(set_loss)(theta, sx, sy)
            theta = {name: value - lr * slope[name] for name, value in theta.items()}
        return set_loss(theta, qx, qy)

    def mean_loss(theta):
        sets = [wide(x, y) for x, y in zip(*support)], [wide(x, y) for x, y in zip(*query)]
        return torch.stack([task_loss(theta, *s, *q) for s, q in zip(*sets)]).mean()

    theta = {name: value.detach() for name, value in module.named_parameters()}
    return grad(mean_loss)(theta), mean_loss(theta).item()


@pytest.mark.parametrize("name", CASES)
def test_meta_gradients_are_those_of_torch_func(name):
    make, shape, loss, settings = CASES[name]
    torch.manual_seed(1)
    module = make()
    settings = {"inner_lr": 0.1, "inner_steps": 1, **settings}
    outputs = [m for m in module.modules() if isinstance(m, nn.Linear)][-1].out_features
    support, query = tasks(shape, loss, outputs)
    expected, mean = reference(module, loss, support, query, settings["inner_lr"], settings["inner_steps"])
    maml = fw.torch.MAML(module, loss, device="cpu", **settings)
    assert maml.meta_grad(support, query) == pytest.approx(mean, rel=1e-4)
    found = {name: parameter.grad for name, parameter in module.named_parameters()}
    assert found.keys() == expected.keys()
    every = torch.cat([found[name].double().ravel() for name in expected]), torch.cat([expected[name].ravel() for name in expected])
    assert ((every[0] - every[1]).norm() / every[1].norm()).item() <= TOLERANCE
    # Gradients add up, as backward has it.
    maml.meta_grad(support, query)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad.double(), 2 * expected[name], rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("shape", ["one", "per_layer_step", "per_parameter", "per_parameter_step"])
def test_learned_rates_have_the_gradient_of_torch_func(shape):
    torch.manual_seed(2)
    module, steps = nn.Sequential(nn.Linear(2, 7), nn.Tanh(), nn.Linear(7, 5), nn.Softplus(), nn.Linear(5, 2)), 3
    support, query = tasks((2,), nn.MSELoss(), 2)
    maml = fw.torch.MAML(module, nn.MSELoss(), inner_lr=0.1, inner_steps=steps, learned_lr=shape, device="cpu")
    names = [name for name, _ in module.named_parameters()]
    sizes = [parameter.numel() for parameter in module.parameters()]
    count = {"one": 1, "per_layer_step": 3 * steps, "per_parameter": sum(sizes), "per_parameter_step": sum(sizes) * steps}[shape]
    assert maml.inner_lr.shape == (count,)
    with torch.no_grad():
        maml.inner_lr += 0.05 * torch.rand(count)

    def rate(rates, step, at):
        if shape == "one":
            return rates[0]
        if shape == "per_layer_step":
            return rates[3 * step + at // 2]
        rows = rates.view(-1, sum(sizes))
        row = rows[step if shape == "per_parameter_step" else 0]
        return row.split(sizes)[at].view(theta[names[at]].shape)

    def set_loss(theta, x, y):
        return F.mse_loss(functional_call(module, theta, (x,)), y)

    def mean_loss(theta, rates):
        total = 0.0
        for sx, sy, qx, qy in zip(*(part.double() for part in (*support, *query))):
            fast = theta
            for step in range(steps):
                slope = grad(set_loss)(fast, sx, sy)
                fast = {name: fast[name] - rate(rates, step, at) * slope[name] for at, name in enumerate(names)}
            total = total + set_loss(fast, qx, qy) / len(support[0])
        return total

    theta = {name: parameter.detach().double() for name, parameter in module.named_parameters()}
    expected, of_rates = grad(mean_loss, argnums=(0, 1))(theta, maml.inner_lr.detach().double())
    maml.meta_grad(support, query)
    for found, wanted in [
        (torch.cat([parameter.grad.ravel() for parameter in module.parameters()]), torch.cat([expected[n].ravel() for n in names])),
        (maml.inner_lr.grad, of_rates),
    ]:
        assert ((found.double() - wanted).norm() / wanted.norm()).item() <= TOLERANCE


def test_meta_sgd_learns_its_rates():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    theirs = fw.MetaSGD(fw.torch.from_module(module), inner_lr=0.02, optimizer=fw.Adam(1e-3), device="cpu")
    maml = fw.torch.MetaSGD(module, "mse", inner_lr=0.02, device="cpu")
    theirs.load_state_dict({**module.state_dict(), "inner_lr": maml.inner_lr})
    outer = torch.optim.Adam(maml.parameters(), 1e-3)
    for iteration in range(10):
        support, query = fw.tasks.Sinusoid(5, 5).sample(8, iteration=iteration)
        outer.zero_grad()
        loss = maml.meta_grad(support, query)
        outer.step()
        assert loss == pytest.approx(theirs.step(support, query), rel=1e-3)
    assert not torch.allclose(maml.inner_lr.detach(), torch.tensor(0.02))
    np.testing.assert_allclose(maml.inner_lr.detach(), theirs.state_dict()["inner_lr"], rtol=1e-3, atol=1e-5)
    # Adaptation and evaluation go by them.
    (sx, sy), (qx, _) = support, query
    with torch.no_grad():
        outputs = maml.adapt(sx[0], sy[0])(torch.from_numpy(qx[0])).numpy()
    np.testing.assert_allclose(theirs.adapt(sx[0], sy[0]).predict(qx[0]), outputs, rtol=1e-2, atol=1e-3)
    with pytest.raises(ValueError, match="input_shape"):
        fw.torch.MetaSGD(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)))
    with pytest.raises(TypeError, match="first_order_iterations"):
        fw.torch.MAML(module, first_order_iterations=5)


def test_a_loop_of_torch_is_the_loop_of_the_engine():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    outer = torch.optim.Adam(module.parameters(), 1e-2)
    model = fw.torch.from_module(module)
    engine = fw.MAML(model, "mse", inner_lr=0.05, optimizer=fw.Adam(1e-2), device="cpu")
    engine.load_state_dict(module.state_dict())
    ours = fw.torch.MAML(module, nn.MSELoss(), inner_lr=0.05, device="cpu")
    drawn = fw.tasks.Sinusoid(5, 5)
    for iteration in range(20):
        support, query = drawn.sample(8, iteration=iteration)
        outer.zero_grad()
        loss = ours.meta_grad(support, query)
        outer.step()
        assert loss == pytest.approx(engine.step(support, query), rel=1e-3)
    adapted = ours.adapt(support[0][0], support[1][0], steps=3)
    with torch.no_grad():
        outputs = adapted(torch.from_numpy(query[0][0])).numpy()
    engine.load_state_dict(module.state_dict())
    np.testing.assert_allclose(engine.adapt(support[0][0], support[1][0], 3).predict(query[0][0]), outputs, rtol=1e-4, atol=1e-5)
    assert ours.evaluate(support, query, 2).losses.shape == (8, 3)


def test_a_loop_over_tasks_through_autograd_has_our_losses():
    """The inner loop as learn2learn has it: a clone a task, adapted by autograd with its graph kept."""
    torch.manual_seed(3)
    theirs = nn.Sequential(nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 1))
    ours = copy.deepcopy(theirs)
    outers = [torch.optim.Adam(m.parameters(), 1e-3) for m in (theirs, ours)]
    maml = fw.torch.MAML(ours, "mse", inner_lr=0.01, inner_steps=2, device="cpu")
    drawn = fw.tasks.Sinusoid(5, 5)
    for iteration in range(15):
        (sx, sy), (qx, qy) = drawn.sample(4, iteration=iteration)
        total = 0.0
        for sx_, sy_, qx_, qy_ in zip(*(torch.from_numpy(a) for a in (sx, sy, qx, qy))):
            fast = dict(theirs.named_parameters())
            for _ in range(2):
                slopes = torch.autograd.grad(F.mse_loss(functional_call(theirs, fast, (sx_,)), sy_), list(fast.values()), create_graph=True)
                fast = {name: w - 0.01 * g for (name, w), g in zip(fast.items(), slopes)}
            total = total + F.mse_loss(functional_call(theirs, fast, (qx_,)), qy_) / 4
        outers[0].zero_grad()
        total.backward()
        outers[0].step()
        outers[1].zero_grad()
        loss = maml.meta_grad((sx, sy), (qx, qy))
        outers[1].step()
        assert loss == pytest.approx(total.item(), rel=1e-3), iteration


def test_modules_as_models():
    model = fw.torch.from_module(Resnet12(), (3, 16, 16))
    assert list(model.parameters)[:2] == ["layer1.0.conv1.weight", "layer1.0.bn1.weight"]
    assert fw.torch.from_module(Siren()).parameters["second.weight"] == (16, 16)
    learner = fw.MAML(fw.torch.from_module(Shared()), device="cpu")
    twin = copy.deepcopy(learner)
    assert list(twin.state_dict()) == list(learner.state_dict())


def test_what_there_is_not_is_refused_by_name_and_line():
    class Strange(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def forward(self, x):
            return torch.cumsum(self.fc(x), 1)

    class Twice(Strange):
        def forward(self, x):
            return self.fc(self.fc(x))

    class Branches(Strange):
        def forward(self, x):
            return self.fc(x) if x.sum() > 0 else x

    class Unused(Strange):
        def __init__(self):
            super().__init__()
            self.other = nn.Linear(2, 2)

        def forward(self, x):
            return self.fc(x)

    class Shifted(Strange):
        def forward(self, x):
            return self.fc(x) + 1.0

    for module, shape, words in [
        (Strange(), None, r"`cumsum` \(.*test_torch.py, line \d+\): there is no such op"),
        (Twice(), None, r"`fc`, Linear.*line \d+\): it is called twice"),
        (Branches(), None, "torch.fx cannot trace Branches"),
        (Unused(), None, "nothing of the module's forward uses: other.bias, other.weight"),
        (Shifted(), None, "`add`.*two values"),
        (nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2)), None, "`1`, LSTM"),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)), None, "Dropout.*drops a share of 0.5"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 1)).eval(), (1, 4, 4), "running averages"),
        (nn.Sequential(nn.Conv2d(1, 2, 3, padding="same"), nn.Flatten()), (1, 4, 4), "padding is 'same'"),
        (nn.Sequential(nn.MaxPool2d(2, padding=1), nn.Flatten(), nn.Linear(4, 1)), (1, 4, 4), "padding is 1"),
        (nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), None, "input_shape"),
    ]:
        with pytest.raises(ValueError, match=words):
            fw.torch.from_module(module, shape)
    for wrong in (3, torch.relu):
        for make in (fw.torch.from_module, fw.torch.MAML):
            with pytest.raises(TypeError, match="a torch.nn.Module is needed"):
                make(wrong)
    for wrong in (nn.L1Loss(), F.mse_loss, 3):
        with pytest.raises(TypeError, match=r"loss is .*nn.MSELoss\(\)"):
            fw.torch.MAML(Siren(), wrong)
    with pytest.raises(TypeError, match="optimizer"):
        fw.torch.MAML(Siren(), optimizer=fw.Adam())
    with pytest.raises(ValueError, match="mean over points"):
        fw.torch.MAML(Siren(), nn.MSELoss(reduction="sum"))


def test_numbers_of_other_kinds_and_numbers_that_are_none():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
    maml = fw.torch.MAML(module, device="cpu")
    support, query = fw.tasks.Sinusoid(5, 5).sample(4)
    expected = maml.meta_grad(support, query)
    wide = [torch.tensor(a, dtype=torch.float64) for a in support]
    turned = [torch.tensor(a).transpose(0, 1).contiguous().transpose(0, 1) for a in query]
    assert maml.meta_grad(wide, turned) == expected
    halves = [torch.tensor(a).bfloat16() for a in support]
    assert maml.meta_grad(halves, query) == pytest.approx(expected, rel=0.1)
    with torch.no_grad():
        module[2].bias[0] = float("nan")
    module.zero_grad()
    with pytest.raises(FloatingPointError, match="2.bias is not finite"):
        maml.meta_grad(support, query)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_fixed_parameters_have_no_gradient():
    module = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1))
    module[0].requires_grad_(False)
    fw.torch.MAML(module, device="cpu").meta_grad(*fw.tasks.Sinusoid(5, 5).sample(4))
    assert module[0].weight.grad is None and module[2].weight.grad is not None
