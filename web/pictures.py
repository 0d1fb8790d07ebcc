"""Draws the pictures that the page's network for pictures was meta-trained on: 1,500 of 96 x 96 with overlapping shapes in 30 folders.

    python web/pictures.py FOLDER

Discs, squares and lozenges, few large ones below many small ones, sharp and blurred, each with a colour that runs into another: what photographs have in
common, without a photograph. The same pixels each time; needs NumPy.
"""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np

PICTURES, FOLDERS, SIDE = 1500, 30, 96


def colour(rng):
    """Red, green and blue from 0 to 1, more often dull than bright."""
    bright = rng.beta(1.2, 1.2, 3)
    grey = bright.mean()
    return grey + (bright - grey) * rng.uniform(0.2, 1)


def distance(kind, u, v):
    """From the middle of a disc, a square or a lozenge; its edge is where this is its radius."""
    return [np.hypot(u, v), np.maximum(abs(u), abs(v)), abs(u) + abs(v)][kind]


def put_shape(rng, picture, radius, x, y):
    """Lays a shape of some colour over a picture [SIDE, SIDE, 3]."""
    centre_x, centre_y = rng.uniform(-0.1, 1.1, 2)
    turn, flat = rng.uniform(0, np.pi), rng.uniform(0.35, 1)
    u = (x - centre_x) * np.cos(turn) + (y - centre_y) * np.sin(turn)
    v = -(x - centre_x) * np.sin(turn) + (y - centre_y) * np.cos(turn)
    outside = distance(rng.integers(3), u, v / flat) - radius
    soft = rng.choice([0.008, 0.02, 0.08])
    cover = (1 / (1 + np.exp(np.clip(outside / soft * 2, -30, 30))))[..., None]
    one, other = colour(rng), colour(rng)
    along = np.clip(0.5 + u / (2 * radius), 0, 1)[..., None]
    mix = rng.uniform(0, 0.6)
    return picture * (1 - cover) + cover * (one * (1 - mix * along) + other * mix * along)


def draw(rng, x, y):
    """A picture [SIDE, SIDE, 3], from 0 to 1: a ground that runs from one colour to another, and shapes."""
    one, other, turn = colour(rng), colour(rng), rng.uniform(0, 2 * np.pi)
    share = np.clip(0.5 + (np.cos(turn) * (x - 0.5) + np.sin(turn) * (y - 0.5)), 0, 1)[..., None]
    picture = one * (1 - share) + other * share
    count = rng.integers(8, 60)
    radii = np.sort(0.04 + 0.5 * rng.pareto(2.0, count) * 0.15)[::-1].clip(0.03, 0.6)
    for radius in radii:
        picture = put_shape(rng, picture, radius, x, y)
    return picture.clip(0, 1)


def png(pixels):
    """The bytes of a PNG file; pixels [height, width, 3] of bytes."""
    def part(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", size) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python web/pictures.py FOLDER")
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    for i in range(PICTURES):
        folder = Path(sys.argv[1], f"c{i % FOLDERS:02}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:04}.png").write_bytes(png((draw(rng, x, y) * 255).astype("uint8")))


if __name__ == "__main__":
    main()
