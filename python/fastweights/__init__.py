"""Gradient-based meta-learning, MAML and its family: a whole meta-batch of inner adaptations and the second-order outer
gradient at once, on any GPU and on a CPU.

>>> import fastweights as fw
>>> model = fw.Sequential(fw.Linear(1, 40), fw.ReLU(), fw.Linear(40, 40), fw.ReLU(), fw.Linear(40, 1))
>>> maml = fw.MAML(model, loss="mse", inner_lr=0.01, inner_steps=1, optimizer=fw.Adam(1e-3))
>>> maml.fit(fw.tasks.Sinusoid(), iterations=1000)
>>> learner = maml.adapt(x, y, steps=5)
>>> learner.predict(x)

``fastweights.torch`` does the same for modules of PyTorch, inside loops of one's own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import tasks
from .devices import *
from .devices import __all__ as _devices
from .learners import *
from .learners import __all__ as _learners
from .models import *
from .models import __all__ as _models
from .ops import *
from .ops import __all__ as _ops
from .optimizers import *
from .optimizers import __all__ as _optimizers
from .runs import *
from .runs import __all__ as _runs
from .training import *
from .training import __all__ as _training

if TYPE_CHECKING:
    from . import torch

__all__ = [*_devices, *_learners, *_models, *_ops, *_optimizers, *_runs, *_training, "tasks", "torch"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # PyTorch takes a second to import: only who asks for it pays.
    if name == "torch":
        return import_module(".torch", __name__)
    raise AttributeError(f"module `fastweights` has no attribute `{name}`")
