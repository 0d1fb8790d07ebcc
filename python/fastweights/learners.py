"""Meta-learners: MAML and its family over NumPy arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from . import _engine, models
from . import optimizers as _optimizers
from ._checks import count, function, number, truth
from .batches import Shapes, batch, floats
from .devices import open_device
from .models import Model
from .ops import Op
from .tasks import Tasks
from .training import Progress, fit_generator

__all__ = [
    "ANIL", "BOIL", "FOMAML", "MAML", "MAMLPlusPlus", "MetaSGD", "Reptile", "TaskLearner", "load",
]  # fmt: skip

CLASSES: dict[str, type[MAML]] = {}

# Most steps of one call of adapt.
_MOST_STEPS = 100_000

_INNER = (
    "inner_lr", "inner_steps", "order", "adapt", "adapt_batch_norm", "per_step_batch_norm", "learned_lr", "loss_weights",
    "first_order_iterations", "multi_step_loss_iterations",
)  # fmt: skip
_LOSSES = {"mse", "huber", "bce_with_logits", "cross_entropy"}


def _weights(what: str, values: Any) -> list[float]:
    return [number(what, value) for value in values]


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "inner_lr": lambda what, value: number(what, value, 0),
    "inner_steps": lambda what, value: count(what, value, 0, 1000),
    "loss_weights": _weights,
    "adapt_batch_norm": truth,
    "per_step_batch_norm": truth,
    "first_order_iterations": count,
    "multi_step_loss_iterations": count,
    "iterations": count,
    "seed": count,
}


class MAML:
    """Model-agnostic meta-learning with second-order gradients (Finn, Abbeel and Levine 2017).

    >>> model = fw.Sequential(fw.Linear(1, 40), fw.ReLU(), fw.Linear(40, 40), fw.ReLU(), fw.Linear(40, 1))
    >>> maml = fw.MAML(model, loss="mse", inner_lr=0.01, inner_steps=1, optimizer=fw.Adam(1e-3))
    >>> loss = maml.step((x_support, y_support), (x_query, y_query))

    ``loss``: ``"mse"``, ``"huber"``, ``"bce_with_logits"``, ``"cross_entropy"``, or one of the classes ``MSE``, ``Huber``, …
    ``inner_lr``, ``inner_steps``: rate (default 0.01) and number (default 1) of the gradient steps on a task's support points.
    ``optimizer``: the outer one, ``Adam`` (the default, at 1e-3) or ``SGD``. ``inner_optimizer``: ``InnerSGD`` (the default),
    ``InnerMomentum``, ``InnerNesterov``, ``InnerRMSprop``, ``InnerAdam``.
    ``order``: ``"second"`` or ``"first"``. ``adapt``: what the inner loop changes, ``"all"``, ``"head"``, ``"body"`` or patterns
    of parameter names, ``["latent.*"]``. ``learned_lr``: ``"one"``, ``"per_layer_step"``, ``"per_parameter"`` or
    ``"per_parameter_step"`` learn inner rates. ``loss_weights``: ``[inner_steps + 1]`` weights of the query losses before and
    after each step (the last alone by default). ``adapt_batch_norm`` and ``per_step_batch_norm``: scales and shifts of batch
    norms. ``init``: ``"torch"``, ``"xavier"``, ``"he"``, ``"small_normal"``, ``"siren"``; drawn from ``seed``.
    ``iterations``: of the whole training, where a schedule or annealing needs it.
    ``device``: ``"auto"`` (a real GPU, else the CPU), ``"cpu"``, ``"gpu"``, an adapter's index or a part of its name;
    ``threads`` of the CPU (all of them by default; results do not depend on it).

    A learner may be copied and pickled, and threads may share it.
    """

    _algorithm = "maml"

    def __init_subclass__(cls) -> None:
        CLASSES[cls.__name__] = cls

    def __init__(
        self,
        model: Model,
        loss: str | _optimizers.Setting = "mse",
        *,
        inner_lr: float | None = None,
        inner_steps: int | None = None,
        optimizer: _optimizers.Setting | None = None,
        inner_optimizer: _optimizers.Setting | None = None,
        order: str | None = None,
        adapt: str | Sequence[str] | None = None,
        adapt_batch_norm: bool | None = None,
        per_step_batch_norm: bool | None = None,
        learned_lr: str | None = None,
        loss_weights: Sequence[float] | None = None,
        first_order_iterations: int | None = None,
        multi_step_loss_iterations: int | None = None,
        init: str | None = None,
        seed: int = 0,
        iterations: int | None = None,
        device: str | int = "auto",
        threads: int | None = None,
    ) -> None:
        given = {key: value for key, value in locals().items() if key not in ("self", "model", "__class__")}
        self._start(model, {key: value for key, value in given.items() if value is not None})

    def _start(self, model: Model, settings: dict[str, Any]) -> None:
        if isinstance(model, Op):
            raise TypeError(f"model is the op {model}; fastweights.Sequential(…) makes a model of ops")
        if not isinstance(model, Model):
            raise TypeError(f"model is {type(model).__name__}; fastweights.torch.from_module makes a model of a torch module")
        settings = {key: _CHECKS[key](key, value) if key in _CHECKS else value for key, value in settings.items()}
        self.model, self._settings = model, settings
        text = json.dumps(self._engine_settings())
        truth = _engine.check_loss(json.dumps(_loss(settings.get("loss", "mse"))))
        self._device = open_device(settings.get("device", "auto"), settings.get("threads"))
        self._engine = _engine.Learner(model._built, text, self._device)
        self._shapes = Shapes(model.input_shape, model.outputs, truth)

    def _engine_settings(self) -> dict[str, Any]:
        settings = self._settings
        inner = {key.removeprefix("inner_"): settings[key] for key in _INNER if key in settings}
        for key in ("adapt", "loss_weights"):
            if key in inner and not isinstance(inner[key], str):
                inner[key] = list(inner[key])
        if "inner_optimizer" in settings:
            inner.update(_setting("inner_optimizer", settings["inner_optimizer"], _optimizers._Inner))
        found = {
            "algorithm": self._algorithm,
            "loss": _loss(settings.get("loss", "mse")),
            "init": settings.get("init", self.model._usual_init()),
            "seed": settings.get("seed", 0),
            "iterations": settings.get("iterations"),
            "inner": inner,
        }
        if "optimizer" in settings:
            found["outer"] = _setting("optimizer", settings["optimizer"], (_optimizers.Adam, _optimizers.SGD))
        return found

    # Training.

    def step(self, support: Any, query: Any) -> float:
        """One meta-iteration on given tasks: their meta-gradient and the outer update. Returns the mean query loss.

        ``support`` and ``query`` are ``(x, y)`` or ``(x, y, mask)``: ``x`` ``[tasks, points, …]`` with points of the model's
        shape (images also flat), ``y`` ``[tasks, points, outputs]``, or ``[tasks, points]`` of class indices and of single numbers,
        ``mask`` ``[tasks, points]`` with how much each point counts, 0 for not at all; or lists with an array for each task, which
        may have unequal numbers of points. Contiguous float32 arrays are read where they lie; others are converted.
        """
        return self._engine.step(batch(support, query, self._shapes))[0]

    def meta_gradient(self, support: Any, query: Any) -> tuple[float, dict[str, np.ndarray]]:
        """Mean query loss over the tasks and its gradient by parameter, as ``state_dict`` names them; nothing is updated."""
        loss, gradient = self._engine.meta_gradient(batch(support, query, self._shapes))
        return loss, self._unflatten(gradient)

    def fit(
        self,
        tasks: Tasks | Iterable[Any],
        iterations: int,
        *,
        meta_batch: int | None = None,
        seed: int = 0,
        callback: Callable[[Progress], Any] | None = None,
        every: int | None = None,
    ) -> np.ndarray:
        """Trains for so many meta-iterations more, and returns the query loss of each, ``[iterations]``.

        ``tasks`` is a family of ``fastweights.tasks``, drawn where the training runs, ``meta_batch`` (default 16) at a time,
        from ``seed``; or an iterable, say a generator, that gives ``(support, query)`` as ``step`` takes them, or single tasks, of which
        ``meta_batch`` make a meta-iteration. It is read ahead on a thread, and the training ends where it ends.

        ``callback`` gets a ``Progress``: every ``every`` meta-iterations, or some ten times a second. If it returns True the training
        ends; what it raises goes on to the caller, and the learner has what it learned up to there, as with Ctrl-C. In it the
        learner may adapt, evaluate and be saved, but not be changed.
        """
        iterations, seed = count("iterations", iterations), count("seed", seed)
        every = None if every is None else count("every", every, 1)
        meta_batch = None if meta_batch is None else count("meta_batch", meta_batch, 1)
        function("callback", callback)
        if isinstance(tasks, Tasks):
            watch = None if callback is None else lambda *seen: callback(Progress(*seen)) is True
            source, many = tasks._source, 16 if meta_batch is None else meta_batch
            return self._engine.fit(source, iterations, many, seed, watch, every)
        if isinstance(tasks, str):
            raise TypeError(f"tasks is {tasks!r}; fastweights.tasks.FromRecipe({tasks!r}) draws the tasks of a recipe")
        if not isinstance(tasks, Iterable):
            raise TypeError(f"tasks is {type(tasks).__name__}; a family of fastweights.tasks or an iterable is needed")
        return fit_generator(self, tasks, iterations, meta_batch, callback, every)

    # What was learned.

    def adapt(self, x: Any, y: Any, steps: int | None = None) -> TaskLearner:
        """A copy for one task, ``x`` ``[points, …]``, or for many at once, ``x`` ``[tasks, points, …]`` or a list of arrays,
        adapted by ``steps`` inner steps (those of training by default) on these points."""
        steps = self._steps(steps)
        if isinstance(x, (list, tuple)) and len(x) > 0 and hasattr(x[0], "__len__") and np.ndim(x[0]) > 0:
            both = (list(x), list(y))
            many = True
        else:
            x, lead = self._shapes.leading("x", x, (1, 2), "points")
            y, many = self._shapes.labels("y", y, x.shape[:lead]), lead == 2
            both = (x, y) if many else (x[None], y[None])
        return TaskLearner(self, self._engine.adapt(batch(both, both, self._shapes), steps), many)

    def evaluate(self, support: Any, query: Any, steps: int | None = None) -> Evaluation:
        """How new tasks fare: adapts to each and reports query losses after 0 … ``steps`` steps."""
        steps = self._steps(steps)
        return Evaluation(*self._engine.evaluate(batch(support, query, self._shapes), steps))

    def _steps(self, steps: int | None) -> int:
        return self.inner["steps"] if steps is None else count("steps", steps, 0, _MOST_STEPS)

    # State.

    @property
    def iteration(self) -> int:
        """Meta-iterations done."""
        return self._engine.state[0]

    @property
    def inner(self) -> dict[str, Any]:
        """The settings of the inner loop, as a recipe has them."""
        return json.loads(self._engine.inner())

    @property
    def device(self) -> str:
        """Where it computes."""
        return self._device.name

    def _unflatten(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        found, at = {}, 0
        for name, shape, _ in self._engine.params():
            found[name] = flat[at : at + prod(shape)].reshape(shape)
            at += prod(shape)
        if at < len(flat):
            found["inner_lr"] = flat[at:]
        return found

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the parameters by PyTorch's names, and of ``inner_lr`` where rates are learned."""
        return self._unflatten(self._engine.state[1])

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes parameters, as ``state_dict`` gives them; the outer optimizer stays as it is."""
        if not isinstance(state, Mapping):
            raise TypeError(f"the state is {type(state).__name__}; parameters by their names are needed, as state_dict gives them")
        flat = self._engine.state[1]
        places = self._unflatten(flat)
        missing, strange = places.keys() - state.keys(), state.keys() - places.keys()
        if missing or strange:
            wrong = [f"{what} {', '.join(sorted(names))}" for what, names in (("no", missing), ("unknown", strange)) if names]
            raise ValueError(f"the state does not fit the model: {'; '.join(wrong)}")
        for name, place in places.items():
            values = state[name].detach().cpu().numpy() if hasattr(state[name], "detach") else state[name]
            values = floats(name, values)
            if values.shape != place.shape:
                raise ValueError(f"{name}: {list(place.shape)} is needed, not {list(values.shape)}")
            if not np.isfinite(values).all():
                raise FloatingPointError(f"{name} is not finite")
            place[...] = values
        self._engine.set_state(flat)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes model, settings, parameters and the outer optimizer's state into one safetensors file, whole or not at
        all; ``fastweights.load`` reads it, and other programs find the parameters by PyTorch's names."""
        self._engine.save(os.fspath(path), json.dumps({"fastweights": 1, **self._write()}))

    def _write(self) -> dict[str, Any]:
        settings = {key: _optimizers.write(value) for key, value in self._settings.items()}
        return {"class": type(self).__name__, "model": self.model._write(), "settings": settings}

    def __getstate__(self) -> dict[str, Any]:
        return {"model": self.model, "settings": self._settings, "state": self._engine.state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._start(state["model"], state["settings"])
        iteration, params, m, v = state["state"]
        self._engine.set_state(params, iteration, (m, v))

    def __repr__(self) -> str:
        inner, loss = self.inner, _loss(self._settings.get("loss", "mse"))
        about = f"inner_steps={inner['steps']}, inner_lr={inner['lr']}, after {self.iteration} meta-iterations"
        return f"{type(self).__name__}(loss={loss!r}, {about}, on {self.device}, model={self.model!r})"


CLASSES["MAML"] = MAML


class FOMAML(MAML):
    """First-order MAML: inner steps are taken for constants (Finn et al. 2017, section 5.2)."""

    _algorithm = "fomaml"


class ANIL(MAML):
    """The inner loop changes the last linear layer alone (Raghu et al. 2020)."""

    _algorithm = "anil"


class BOIL(MAML):
    """The inner loop changes everything but the last linear layer (Oh et al. 2021)."""

    _algorithm = "boil"


class MetaSGD(MAML):
    """A learned inner rate for each parameter (Li et al. 2017)."""

    _algorithm = "meta_sgd"


class MAMLPlusPlus(MAML):
    """MAML++ (Antoniou, Edwards and Storkey 2019): learned rates for each layer and step, batch norms with a scale and a
    shift for each step, first order to begin with, losses after all steps that give way to the last, a cosine-annealed outer
    rate. ``iterations`` are those of the whole training."""

    _algorithm = "maml_plus_plus"


class Reptile(MAML):
    """Reptile (Nichol, Achiam and Schulman 2018): the parameters go a share of the way that adaptation goes; ``optimizer`` is
    ``SGD(share)``, by default a tenth, and ``inner_steps`` are 5. Query points are judged, not learned from."""

    _algorithm = "reptile"


class TaskLearner:
    """A model adapted to one task, or to many."""

    def __init__(self, maml: MAML, engine: _engine.TaskLearners, many: bool) -> None:
        self._maml, self._engine, self._many = maml, engine, many

    def __len__(self) -> int:
        if not self._many:
            raise TypeError("a learner of one task has no len()")
        return len(self._engine)

    def __getitem__(self, task: int) -> TaskLearner:
        if not self._many or not -len(self._engine) <= task < len(self._engine):
            raise IndexError(f"there is no task {task}")
        return TaskLearner(self._maml, self._engine.one(task % len(self._engine)), False)

    @property
    def steps(self) -> int:
        """Inner steps taken so far."""
        return self._engine.steps()

    def _points(self, what: str, x: Any) -> np.ndarray:
        shapes, names = self._maml._shapes, "tasks, points" if self._many else "points"
        x, lead = shapes.leading(what, x, (1, 2) if self._many else (1,), names)
        if not np.isfinite(x).all():
            raise FloatingPointError(f"{what} has numbers that are not finite")
        if not self._many:
            return x[None]
        if lead == 1:
            return np.broadcast_to(x, (len(self._engine), *x.shape)).copy()
        if len(x) != len(self._engine):
            raise ValueError(f"{what}: {len(self._engine)} tasks are needed, not {len(x)}")
        return x

    def _both(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        x = self._points("x", x)
        lead = x.shape[:2] if self._many else x.shape[1:2]
        y = self._maml._shapes.labels("y", y, lead)
        if not np.isfinite(y).all():
            raise FloatingPointError("y has numbers that are not finite")
        if not self._many:
            y = y[None]
        if self._maml._shapes.classes and len(wrong := y[(y < 0) | (y >= self._maml.model.outputs) | (y % 1 != 0)]):
            raise ValueError(f"class label {wrong[0]:g} is not one of 0 … {self._maml.model.outputs - 1}")
        return x, y

    def adapt(self, x: Any, y: Any, steps: int = 1) -> TaskLearner:
        """Takes more inner steps on these points, in place, and returns itself."""
        self._engine.adapt(*self._both(x, y), count("steps", steps, 0, _MOST_STEPS))
        return self

    def predict(self, x: Any) -> np.ndarray:
        """Outputs at ``x``: ``[points, outputs]`` of one task, ``[tasks, points, outputs]`` of many, whose ``x`` may be one for
        all. Of classes they are scores ahead of the softmax, of ``bce_with_logits`` ahead of the logistic function. Batch norms take
        the statistics of the points they are given."""
        found = self._engine.predict(self._points("x", x))
        return found if self._many else found[0]

    def evaluate(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Mean loss and, where targets are decisions, accuracy on these points: numbers for one task, arrays ``[tasks]`` for many."""
        losses, right = self._engine.evaluate(*self._both(x, y))
        if self._many:
            return losses, right
        return float(losses[0]), None if right is None else float(right[0])

    def state_dict(self) -> dict[str, np.ndarray]:
        """The fast weights by PyTorch's names, with an axis of tasks ahead where there are many."""
        flat, found, at = self._engine.fast_weights(), {}, 0
        for name, shape, _ in self._maml._engine.params():
            values = flat[:, at : at + prod(shape)].reshape(len(flat), *shape)
            found[name] = values if self._many else values[0]
            at += prod(shape)
        return found

    def __getstate__(self) -> dict[str, Any]:
        fast = self._engine.fast_weights().ravel()
        meta = self._engine.meta_parameters()
        return {"maml": self._maml, "fast": fast, "steps": self.steps, "many": self._many, "meta": meta}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._maml, self._many = state["maml"], state["many"]
        # At the meta-parameters that it was made from, which the learner may have left since.
        origin = self._maml.__class__.__new__(self._maml.__class__)
        origin.__setstate__(self._maml.__getstate__())
        origin._engine.set_state(state["meta"])
        self._engine = origin._engine.with_fast_weights(state["fast"], state["steps"])

    def __repr__(self) -> str:
        whose = f"{len(self._engine)} tasks" if self._many else "one task"
        return f"<learner of {whose} after {self.steps} inner steps, from {type(self._maml).__name__}>"


class Evaluation:
    """How tasks fare as they are adapted."""

    def __init__(self, losses: np.ndarray, accuracies: np.ndarray | None, predictions: np.ndarray) -> None:
        self.losses = losses
        """Query losses after 0 … ``steps`` steps, ``[tasks, steps + 1]``."""
        self.accuracies = accuracies
        """Shares of query points that are judged rightly, alike, where targets are decisions."""
        self.predictions = predictions
        """Outputs on the query points, ``[steps + 1, tasks, points, outputs]``."""

    def __repr__(self) -> str:
        means = ", ".join(f"{loss:.4g}" for loss in self.losses.mean(axis=0))
        right = "" if self.accuracies is None else f", accuracy {self.accuracies[:, -1].mean():.3f}"
        return f"<evaluation of {len(self.losses)} tasks: mean query losses {means}{right}>"


def load(path: str | os.PathLike[str], *, device: str = "auto", threads: int | None = None) -> MAML:
    """The learner that ``save`` wrote, on any device."""
    path = os.fspath(path)
    note = _engine.note(path)
    if note is None or "fastweights" not in (written := json.loads(note)):
        raise ValueError(f"{path}: no learner is described in it; load_state_dict takes parameters from other files")
    if written["class"] not in CLASSES:
        raise ValueError(f"{path}: there is no learner `{written['class']}` in this version")
    settings = {key: _optimizers.read(value) for key, value in written["settings"].items()}
    settings["device"] = device
    settings.pop("threads", None)
    if threads is not None:
        settings["threads"] = threads
    learner = object.__new__(CLASSES[written["class"]])
    learner._start(models.read(written["model"]), settings)
    learner._engine.load(path)
    return learner


def _loss(loss: Any) -> Any:
    if isinstance(loss, _optimizers.Setting) and not isinstance(loss, (_optimizers.Adam, _optimizers.SGD, _optimizers._Inner)):
        return _finite(loss)
    if not isinstance(loss, str):
        raise TypeError(f"loss is {loss!r}; a name is needed, {', '.join(sorted(_LOSSES))}, or one of the classes MSE, Huber, …")
    return loss


def _setting(what: str, value: Any, kind: Any) -> dict[str, Any]:
    if not isinstance(value, kind):
        usual = "fastweights.InnerSGD() and its like" if what == "inner_optimizer" else "fastweights.Adam() or SGD()"
        raise TypeError(f"{what} is {value!r}; {usual} is needed")
    return {key: setting for key, setting in _finite(value).items() if setting is not None}


def _finite(setting: _optimizers.Setting) -> Any:
    """As the engine has it, once its numbers are known to be some."""
    for key, value in vars(setting).items():
        for part in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(part, (float, np.floating)):
                number(f"{type(setting).__name__}: {key}", part)
    return setting._engine()
