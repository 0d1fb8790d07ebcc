"""Where to compute."""

from __future__ import annotations

from . import _engine

__all__ = ["DeviceError", "devices"]

DeviceError = _engine.DeviceError


def open_device(device: str, threads: int | None = None) -> _engine.Device:
    """A device by its name, opened once a process."""
    if not isinstance(device, str):
        raise TypeError(f"device is {device!r}; a name is needed: auto, cpu, gpu, an index or a part of an adapter's name")
    if threads is not None and not 1 <= threads <= 1024:
        raise ValueError(f"threads is {threads}; a number from 1 to 1024 is needed")
    return _engine.Device(device, threads)


def devices() -> list[str]:
    """What ``device=`` may be: the CPU, and GPU adapters by their index."""
    cpu = open_device("cpu").name
    return [cpu, *(f"{i}: {name} ({kind}, {api})" for i, name, kind, api in _engine.adapters())]
