"""Safetensors files, read without another package."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

_TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64}


def tensors(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Arrays by their names."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        start, end = about["data_offsets"]
        values = np.frombuffer(data[start:end], np.dtype(_TYPES[about["dtype"]]).newbyteorder("<"))
        found[name] = values.reshape(about["shape"]).copy()
    return found
