"""What is typed, or an error that names it."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np


def count(what: str, value: Any, least: int = 0, most: int = 2**63 - 1) -> int:
    """A whole number in a range."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and least <= value <= most:
        return int(value)
    allowed = f"of {least} or more" if most > 2**32 else f"from {least} to {most}"
    raise ValueError(f"{what} is {value!r}; a whole number {allowed} is needed")


def number(what: str, value: Any, least: float | None = None) -> float:
    """A finite number."""
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if is_number and isfinite(value) and (least is None or value >= least):
        return float(value)
    allowed = "" if least is None else f" of {least:g} or more"
    raise ValueError(f"{what} is {value!r}; a finite number{allowed} is needed")


def span(what: str, value: Any) -> list[float]:
    """A range of finite numbers."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"{what} is {value!r}; (low, high) is needed")
    low, high = (number(what, end) for end in value)
    if low > high:
        raise ValueError(f"{what} is {value!r}; (low, high) with low ≤ high is needed")
    return [low, high]


def truth(what: str, value: Any) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ValueError(f"{what} is {value!r}; True or False is needed")


def function(what: str, value: Any) -> None:
    """Something to be called, or nothing."""
    if value is not None and not callable(value):
        raise TypeError(f"{what} is {value!r}; a function is needed")
