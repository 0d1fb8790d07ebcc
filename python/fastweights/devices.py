"""Where to compute."""

from __future__ import annotations

from . import _engine
from ._checks import count

__all__ = ["DeviceError", "devices"]

DeviceError = _engine.DeviceError


def open_device(device: str | int, threads: int | None = None) -> _engine.Device:
    """A device by its name or number, opened once a process."""
    if isinstance(device, int) and not isinstance(device, bool):
        device = str(device)
    if not isinstance(device, str) or not device.strip():
        raise TypeError(f"device is {device!r}; a name is needed: auto, cpu, gpu, an index or a part of an adapter's name")
    return _engine.Device(device, None if threads is None else count("threads", threads, 1, 1024))


def devices() -> list[str]:
    """What ``device=`` may be: the CPU, and GPU adapters by their index."""
    cpu = open_device("cpu").name
    return [cpu, *(f"{i}: {name} ({kind}, {api})" for i, name, kind, api in _engine.adapters())]
