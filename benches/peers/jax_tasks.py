"""Tasks drawn on the device in JAX, inside the compiled training loop."""

import jax
import jax.numpy as jnp
from workloads import FIELD_SIDE, IMAGE_DRAWERS, IMAGE_TURNS, SERIES_COUNT, SERIES_LENGTH


def draw_sines(key, tasks, workload, _table):
    """`tasks` sinusoids a·sin(x + b), each with its support and query points."""
    points = workload.support + workload.query
    draw = jax.random.uniform(key, (tasks, 2 + points), jnp.float32)
    a, b = 0.1 + 4.9 * draw[:, :1], workload.phase * draw[:, 1:2]
    x = 10.0 * draw[:, 2:] - 5.0
    y = a * jnp.sin(x + b)
    x, y, s = x[..., None], y[..., None], workload.support
    return x[:, :s], y[:, :s], x[:, s:], y[:, s:]


def draw_windows(key, tasks, workload, table):
    """`tasks` series of the table; each point is a window at a random place, and the value after it."""
    points, width, s = workload.support + workload.query, workload.window, workload.support
    draw = jax.random.uniform(key, (tasks, 1 + points), jnp.float32)
    series = (draw[:, 0] * SERIES_COUNT).astype(jnp.int32)
    start = (draw[:, 1:] * (SERIES_LENGTH - width)).astype(jnp.int32)
    window = table[series[:, None, None], start[..., None] + jnp.arange(width + 1)]
    x, y = window[..., :width], window[..., width:]
    return x[:, :s], y[:, :s], x[:, s:], y[:, s:]


def distinct(draw, below):
    """As many different numbers under `below` as `draw` [tasks, count] has, which is uniform in [0, 1)."""
    chosen = []
    for i in range(draw.shape[1]):
        number = (draw[:, i] * (below - i)).astype(jnp.int32)  # a place among the numbers not yet chosen
        if chosen:
            taken = jnp.sort(jnp.stack(chosen, 1), 1)
            for j in range(i):
                number += number >= taken[:, j]
        chosen.append(number)
    return jnp.stack(chosen, 1)


def draw_images(key, tasks, workload, table):
    """`tasks` of `ways` classes, each in one quarter turn; no drawing is in both support and query."""
    ways = workload.ways
    shots, queries = workload.support // ways, workload.query // ways
    class_key, turn_key, drawer_key = jax.random.split(key, 3)
    classes = distinct(jax.random.uniform(class_key, (tasks, ways)), table.shape[0])
    turn = jax.random.randint(turn_key, (tasks, ways), 0, IMAGE_TURNS)[..., None, None, None]
    order = jnp.argsort(jax.random.uniform(drawer_key, (tasks, ways, IMAGE_DRAWERS)), -1)
    image = table[classes[..., None], order[..., : shots + queries]]
    if workload.channels == 1:
        turns = [jnp.rot90(image, n, (3, 4)) for n in range(IMAGE_TURNS)]
        image = jnp.select([turn == n for n in range(IMAGE_TURNS)], turns)[..., None]
    x = image.astype(jnp.float32) / 255
    label = jnp.broadcast_to(jnp.arange(ways)[:, None], (tasks, ways, shots + queries))
    part = lambda a, *points: a[:, :, slice(*points)].reshape(tasks, -1, *a.shape[3:])  # noqa: E731
    return part(x, shots), part(label, shots), part(x, shots, None), part(label, shots, None)


def draw_pixels(key, tasks, workload, table):
    """`tasks` fields of the table, each at random pixels: coordinates from -1 to 1, and the values there."""
    field_key, pixel_key = jax.random.split(key)
    field = jax.random.randint(field_key, (tasks, 1), 0, table.shape[0])
    pixel = jax.random.randint(pixel_key, (tasks, workload.support, 2), 0, FIELD_SIDE)
    x = (2 * pixel + 1).astype(jnp.float32) / FIELD_SIDE - 1
    y = table[field, pixel[..., 0], pixel[..., 1]][..., None]
    return x, y, x, y


DRAW = {"sine": draw_sines, "series": draw_windows, "images": draw_images, "field": draw_pixels}
