"""What the demo shows of the shipped models."""

import re

from PIL import Image

from pixelrnn.app import tour


def test_a_scratch_is_found_where_it_is(tmp_path):
    exhibit = tour._flaw(tmp_path, seed=0)
    before, after = map(float, re.findall(r"([0-9.e-]+) before the scratch, ([0-9.e-]+)", exhibit.text)[0])
    assert after < 1e-6 < 0.05 < before
    with Image.open(tmp_path / exhibit.file) as shown:
        zoom = shown.width // 48
        red = [
            (row, column)
            for row in range(48)
            for column in range(48)
            if (pixel := shown.getpixel((zoom * column + zoom // 2, zoom * row + zoom // 2)))[0] - pixel[1] > 40
        ]
    assert red
    assert all(min(abs(r - row) + abs(c - column) for row, column in tour.SCRATCH) <= 4 for r, c in red)
