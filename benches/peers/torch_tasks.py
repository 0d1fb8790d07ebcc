"""Tasks drawn on the device in PyTorch."""

import torch
from workloads import IMAGE_DRAWERS, IMAGE_TURNS, SERIES_COUNT, SERIES_LENGTH


def draw_sines(tasks, workload, table):
    """`tasks` sinusoids a·sin(x + b), each with its support and query points."""
    s, points = workload.support, workload.support + workload.query
    draw = torch.rand(tasks, 2 + points, device=table.device)
    x = 10.0 * draw[:, 2:] - 5.0
    y = (0.1 + 4.9 * draw[:, :1]) * torch.sin(x + workload.phase * draw[:, 1:2])
    x, y = x[..., None], y[..., None]
    return x[:, :s], y[:, :s], x[:, s:], y[:, s:]


def draw_windows(tasks, workload, table):
    """`tasks` series of the table; each point is a window at a random place, and the value after it."""
    s, points, width = workload.support, workload.support + workload.query, workload.window
    series = torch.randint(SERIES_COUNT, (tasks, 1, 1), device=table.device)
    start = torch.randint(SERIES_LENGTH - width, (tasks, points, 1), device=table.device)
    window = table[series, start + torch.arange(width + 1, device=table.device)]
    x, y = window[..., :width], window[..., width:]
    return x[:, :s], y[:, :s], x[:, s:], y[:, s:]


def draw_images(tasks, workload, table):
    """`tasks` of `ways` classes, each in one quarter turn; no drawing is in both support and query."""
    ways = workload.ways
    shots, queries = workload.support // ways, workload.query // ways
    classes = torch.rand(tasks, table.shape[0], device=table.device).topk(ways).indices
    turn = torch.randint(IMAGE_TURNS, (tasks, ways), device=table.device)[..., None, None, None]
    drawer = torch.rand(tasks, ways, IMAGE_DRAWERS, device=table.device).topk(shots + queries).indices
    image = table[classes[..., None], drawer]
    if workload.channels == 1:
        turns = [torch.rot90(image, n, (3, 4)) for n in range(IMAGE_TURNS)]
        for n in range(1, IMAGE_TURNS):
            image = torch.where(turn == n, turns[n], image)
        image = image[..., None]
    x = image.movedim(-1, 3).float() / 255
    label = torch.arange(ways, device=table.device)[:, None].expand(tasks, ways, shots + queries)
    part = lambda a, *points: a[:, :, slice(*points)].reshape(tasks, -1, *a.shape[3:])  # noqa: E731
    return part(x, shots), part(label, shots), part(x, shots, None), part(label, shots, None)


DRAW = {"sine": draw_sines, "series": draw_windows, "images": draw_images}
