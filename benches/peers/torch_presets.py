"""The presets of `fastweights` as PyTorch modules that load its checkpoints, and a check that both compute the same.

    python benches/peers/torch_presets.py --fastweights target/release/fastweights [--full]

For each preset: a checkpoint of two meta-iterations goes into the module (`load_state_dict`, strict), PyTorch takes losses and
second-order meta-gradients in float64 at those parameters, and `fastweights gradcheck` computes them again: relative errors of each
tensor in float64, of losses and the whole gradient in float32. --full takes resnet12 at its full width as well.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.func import functional_call, grad


def norm(channels):
    # Statistics of the points at hand, in training and later: no running averages.
    return nn.BatchNorm2d(channels, track_running_stats=False)


class Resnet12(nn.Module):
    """`resnet12`."""

    class Block(nn.Module):
        def __init__(self, inputs, outputs, act):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            self.bn1 = norm(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.bn2 = norm(outputs)
            self.conv3 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
            self.bn3 = norm(outputs)
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), norm(outputs))
            self.act = act

        def forward(self, x):
            y = self.act(self.bn1(self.conv1(x)))
            y = self.act(self.bn2(self.conv2(y)))
            y = self.bn3(self.conv3(y)) + self.downsample(x)
            return nn.functional.max_pool2d(self.act(y), 2)

    def __init__(self, inputs, outputs, channels=(64, 160, 320, 640)):
        super().__init__()
        act = nn.LeakyReLU(0.1)
        widths = [inputs, *channels]
        for i in range(4):
            setattr(self, f"layer{i + 1}", nn.Sequential(self.Block(widths[i], widths[i + 1], act)))
        self.fc = nn.Linear(channels[-1], outputs)

    def forward(self, x):
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class WideResnet(nn.Module):
    """`wrn-DEPTH-WIDTH`."""

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride, act):
            super().__init__()
            self.act = act
            self.bn1 = norm(inputs)
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn2 = norm(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.convShortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

        def forward(self, x):
            first = self.act(self.bn1(x))
            y = self.conv2(self.act(self.bn2(self.conv1(first))))
            return y + (x if self.convShortcut is None else self.convShortcut(first))

    class Group(nn.Module):
        def __init__(self, inputs, outputs, blocks, stride, act):
            super().__init__()
            block = WideResnet.Block
            rest = [block(outputs, outputs, 1, act) for _ in range(blocks - 1)]
            self.layer = nn.Sequential(block(inputs, outputs, stride, act), *rest)

        def forward(self, x):
            return self.layer(x)

    def __init__(self, inputs, outputs, depth=28, width=10, act=torch.relu):
        super().__init__()
        self.act = act
        blocks, widths = (depth - 4) // 6, [16, 16 * width, 32 * width, 64 * width]
        self.conv1 = nn.Conv2d(inputs, 16, 3, 1, 1, bias=False)
        for i in range(3):
            group = self.Group(widths[i], widths[i + 1], blocks, 1 if i == 0 else 2, act)
            setattr(self, f"block{i + 1}", group)
        self.bn1 = norm(widths[3])
        self.fc = nn.Linear(widths[3], outputs)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(self.act(self.bn1(x)).mean((2, 3)))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def conv4(inputs, outputs, pixels, channels=(64,) * 4, pool=True):
    """`conv4`, of images with so many pixels a side."""
    layers, widths = [], [inputs, *channels]
    for i in range(4):
        layers += [nn.Conv2d(widths[i], widths[i + 1], 3, 1 if pool else 2, 1), norm(widths[i + 1]), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
    left = channels[-1] * (pixels // 16) ** 2 if pool else channels[-1]
    return nn.Sequential(*layers, nn.Flatten() if pool else Mean(), nn.Linear(left, outputs))


class Sine(nn.Module):
    def __init__(self, omega):
        super().__init__()
        self.omega = omega

    def forward(self, x):
        return torch.sin(self.omega * x)


def siren(inputs, outputs, hidden=(256,) * 3, omega=30.0, first_omega=30.0):
    """`siren`, of vectors."""
    layers, widths = [], [inputs, *hidden]
    for i in range(len(hidden)):
        layers += [nn.Linear(widths[i], widths[i + 1]), Sine(omega if i else first_omega)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def mlp(inputs, outputs, hidden=(40, 40), activation=nn.ReLU):
    """`mlp`, of vectors."""
    layers, widths = [], [inputs, *hidden]
    for i in range(len(hidden)):
        layers += [nn.Linear(widths[i], widths[i + 1]), activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


GLYPHS = "glyphs-5way-1shot"
# Recipe, settings, module. Images are gray and of 28 x 28 pixels, sinusoids numbers.
PRESETS = {
    "mlp": ("sinusoid", ["preset=mlp", "activation=silu", "hidden=[9, 7]"], lambda: mlp(1, 1, (9, 7), nn.SiLU)),
    "siren": (
        "sinusoid",
        ["preset=siren", "hidden=[9, 8, 7]", "omega=4.0", "first_omega=3.0"],
        lambda: siren(1, 1, (9, 8, 7), 4.0, 3.0),
    ),
    "conv4": (GLYPHS, ["preset=conv4", "channels=[5, 6, 7, 8]"], lambda: conv4(1, 5, 28, (5, 6, 7, 8))),
    "conv4, strides": (
        GLYPHS,
        ["preset=conv4", "channels=6", "downsample=stride"],
        lambda: conv4(1, 5, 28, (6,) * 4, pool=False),
    ),
    "resnet12": (GLYPHS, ["preset=resnet12", "channels=[4, 5, 6, 7]"], lambda: Resnet12(1, 5, (4, 5, 6, 7))),
    # Smooth: of so many ReLUs one always stands near enough to 0 for float32 to see its other side.
    "wrn-16-1": (
        GLYPHS,
        ["preset=wrn-16-1", "activation=silu"],
        lambda: WideResnet(1, 5, 16, 1, nn.functional.silu),
    ),
}
FULL = {"resnet12, full width": (GLYPHS, ["preset=resnet12"], lambda: Resnet12(1, 5))}


def meta_gradients(module, theta, tasks, loss, lr, steps):
    """Answers of a case by reverse over reverse: meta-gradient, losses along adaptation."""

    def of(theta, x, y):
        return loss(functional_call(module, theta, (x,)), y)

    def along(theta, task):
        support, query = task
        losses = ([], [of(theta, *query)])
        for _ in range(steps):
            losses[0].append(of(theta, *support))
            slope = grad(of)(theta, *support)
            theta = {name: value - lr * slope[name] for name, value in theta.items()}
            losses[1].append(of(theta, *query))
        return losses

    sums, all_losses = None, []
    for task in tasks:
        def last(theta, task=task):
            losses = along(theta, task)
            return losses[1][-1], losses

        slope, losses = grad(last, has_aux=True)(theta)
        sums = slope if sums is None else {name: sums[name] + slope[name] for name in slope}
        all_losses.append([[float(value.detach()) for value in half] for half in losses])
    support, query = (np.array([losses[half] for losses in all_losses]) for half in range(2))
    answers = {f"meta_grad.{name}": (value / len(tasks)).detach().numpy() for name, value in sums.items()}
    return {"meta_loss": np.array([query[:, -1].mean()]), "query_loss": query, "support_loss": support, **answers}


def case(graph, module, theta, folder, classes, points, steps):
    """A case file of both modules' graph and PyTorch's answers."""
    places = {"input": -1, **{node["name"]: i for i, node in enumerate(graph["nodes"])}}
    layers = [node["op"] | {"inputs": [places[name] for name in node["inputs"]]} for node in graph["nodes"]]
    called = {
        name: f"{i}.{name.rsplit('.', 1)[1]}" for i, node in enumerate(graph["nodes"]) for name in node["parameters"]
    }
    rng, tasks, arrays = np.random.default_rng(7), 2, {}
    for half in ("support", "query"):
        arrays[f"{half}_x"] = rng.normal(size=(tasks, points, *graph["input"]))
        if classes:
            arrays[f"{half}_y"] = np.tile(np.arange(points) % 5, (tasks, 1))
        else:
            arrays[f"{half}_y"] = rng.normal(size=(tasks, points, 1))
    lr = 0.05
    torch_tasks = [
        [[torch.tensor(arrays[f"{half}_{xy}"][t]) for xy in "xy"] for half in ("support", "query")]
        for t in range(tasks)
    ]
    loss = nn.functional.cross_entropy if classes else nn.functional.mse_loss
    answers = meta_gradients(module, theta, torch_tasks, loss, lr, steps)
    for name, value in answers.items():
        kind, _, param = name.partition(".")
        arrays[f"{kind}.{called[param]}" if param else kind] = value
    for name, value in theta.items():
        arrays[f"theta.{called[name]}"] = value.numpy()
    inner = {"lr": lr, "steps": steps, "order": "second", "adapt": "all"}
    header = {
        "layers": layers,
        "loss": "cross_entropy" if classes else "mse",
        "inner": inner,
        "tasks": tasks,
        "support": points,
        "query": points,
        "input": graph["input"],
    }
    path = folder / "case.safetensors"
    arrays = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    save_file(arrays, path, metadata={"case": json.dumps(header)})
    return path


def check(program, name, recipe, settings, build, devices):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        typed = [word for setting in settings for word in ("--set", f"model.{setting}")]

        def run(*words, status=0):
            done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True)
            if done.returncode != status:
                sys.exit(f"{name}: {' '.join(words)}\n{done.stdout}{done.stderr}")
            return done.stdout

        graph = json.loads(run("model", recipe, *typed, "--json"))
        few = ["--set", "evaluation.tasks=2", "--set", "outer.meta_batch=2", "--set", "run.checkpoint_every=2"]
        few += ["--set", "validation.every=0"] if recipe == GLYPHS else ["--set", "control.enabled=false"]
        run("train", recipe, *typed, *few, "--steps", "2", "--out", "run", "--device", "cpu", "--quiet")
        checkpoint = load_file(folder / "run/checkpoints/2.safetensors")
        module = build()
        module.load_state_dict({name: torch.tensor(value) for name, value in checkpoint.items()}, strict=True)
        module = module.double()
        theta = {name: value.detach() for name, value in module.named_parameters()}
        shapes = {name: list(value.shape) for name, value in theta.items()}
        assert shapes == {k: v for node in graph["nodes"] for k, v in node["parameters"].items()}
        path = case(graph, module, theta, folder, recipe == GLYPHS, points=5, steps=2)
        expected = load_file(path)
        for device in devices:
            # It says no where a tensor's gradient is next to nothing beside the others, as that of a layer of one channel ahead of a
            # batch norm: the whole gradient is what float32 is judged by here, each tensor in float64.
            out = folder / f"{device}.safetensors"
            subprocess.run([program, "gradcheck", path, "--device", device, "--out", out], capture_output=True)
            computed = load_file(out)
            wide, tolerance = device == "cpu-f64", 1e-9 if device == "cpu-f64" else 2e-5
            gradients = [key for key in expected if key.startswith("meta_grad.")]
            groups = [[key] for key in gradients] if wide else [gradients]
            groups += [["query_loss"], ["support_loss"]]
            # A bias ahead of a batch norm has no gradient at all.
            least = 1e-3 * norm_of(expected, gradients)
            worst = max(error(computed, expected, keys, least) for keys in groups)
            print(f"{name}, {device}: {len(gradients)} tensors, {worst:.1e}", flush=True)
            assert worst <= tolerance


def norm_of(tensors, keys):
    return np.linalg.norm(np.concatenate([tensors[key].ravel() for key in keys]))


def error(computed, expected, keys, least):
    """Relative error of tensors taken as one."""
    difference = {key: computed[key] - expected[key] for key in keys}
    return norm_of(difference, keys) / max(norm_of(expected, keys), least)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fastweights", default="target/release/fastweights", help="the program")
    parser.add_argument("--device", action="append", help="devices of gradcheck [default: cpu, cpu-f64]")
    parser.add_argument("--full", action="store_true", help="resnet12 at full width, too, on the CPU")
    arguments = parser.parse_args()
    program = str(Path(arguments.fastweights).resolve())
    for name, (recipe, settings, build) in PRESETS.items():
        check(program, name, recipe, settings, build, arguments.device or ["cpu", "cpu-f64"])
    for name, (recipe, settings, build) in FULL.items() if arguments.full else ():
        check(program, name, recipe, settings, build, ["cpu"])


if __name__ == "__main__":
    main()
