"""What a pixel of a local network sees: who may see whom, and how far rows computed side by side must be apart."""

from typing import NamedTuple

__all__ = [
    "CANDIDATES", "ERRORS", "FITS", "LAG", "MOST_PLAIN", "NEAR", "NEIGHBOURS", "OF_A_FIT", "RADIUS", "WIDE", "Fit",
    "candidate_pairs", "fits_for",
]  # fmt: skip

RADIUS = 4
"""Rows up, and columns to each side, that a local network can see."""

NEIGHBOURS = tuple(
    (up, right)
    for up in range(RADIUS, -1, -1)
    for right in range(-RADIUS, RADIUS + 1)
    if up**2 + right**2 <= RADIUS**2 + 1 and (up > 0 or right < 0)
)
"""Rows up and columns to the right of the pixels that a local network sees of all earlier ones: half a disc, 28."""

CANDIDATES = ((0, -1), (1, 0), (1, -1), (1, 1), (0, -2), (2, 0), (2, 1), (2, -1))
"""Rows up and columns to the right of the neighbours whose values can be copied: W, N, NW, NE, WW, NN, NNE, NNW."""

LAG = RADIUS + 2
"""Columns by which a row must be behind the one above it, so that all that its pixels see is there.

One more than is needed: it is even, so that pixels computed side by side lie in columns of one parity.
"""


class Fit(NamedTuple):
    """What a sub-pixel is predicted by in a least-squares fit, and in which pixels it is fitted.

    A difference is that of a sub-pixel, given by its rows up and columns to the right, to the western neighbour in its
    own channel.

    Attributes:
        own: Differences in the channel itself.
        earlier: Those in each earlier channel; some of `own`, and of the pixel itself.
        windows: Radius and weight of the windows, one in another, from the smallest. A window of radius r has r rows
            above, 2 r + 1 columns wide, and r pixels to the left; a pixel counts with the weights of all in which it
            is.
        ridge: What keeps coefficients near to what is expected of them, in units squared.
        expected: Coefficients of `own` that are expected, and of the channel just before; all others are 0.
        most: Differences beyond this count as this, in units, so that float32 holds the sums exactly.
        scale: Units in the *spread* of a pixel: 1.5 times the mean change from the western neighbour to all neighbours,
            and a level. So every pixel counts as much, however much changes around it, and sums of whole numbers are
            exact for any number of levels. 0: the unit is a level.
        deviation: That is expected of the pixels, in units.
    """

    own: tuple[tuple[int, int], ...]
    earlier: tuple[tuple[int, int], ...]
    windows: tuple[tuple[int, int], ...]
    ridge: int
    expected: tuple[tuple[tuple[tuple[int, int], float], ...], ...]
    most: int
    scale: int = 0
    deviation: int = 8

    @property
    def window(self) -> int:
        """Rows above, and columns to both sides, of the largest window."""
        return self.windows[-1][0]

    @property
    def rows(self) -> int:
        """Rows above that are fitted: those of the largest window, and those that the differences of its pixels see."""
        return self.window + max(up for up, _ in self.own)

    @property
    def lag(self) -> int:
        """As `LAG`: even as well."""
        return self.window + 1 + (self.window + 1) % 2

    def differences(self, channel: int) -> list[tuple[int, int, int]]:
        """The differences that a channel is predicted by: channel, rows up, columns to the right.

        Example:
            >>> [len(NEAR.differences(channel)) for channel in range(3)]
            [5, 10, 15]
        """
        earlier = [(before, *place) for before in range(channel) for place in self.earlier]
        return [(channel, *place) for place in self.own] + earlier

    def expectations(self, channel: int) -> list[float]:
        """The coefficient that is expected of each difference."""
        own, before = self.expected
        return [
            dict({channel: own, channel - 1: before}.get(of, ())).get((up, right), 0.0)
            for of, up, right in self.differences(channel)
        ]


NEAR = Fit(
    own=((0, -2), (1, 0), (1, -1), (1, 1), (2, 0)),
    earlier=((0, 0), (1, 0), (1, -1), (1, 1), (0, -2)),
    windows=((2, 4), (4, 2), (7, 1)),
    ridge=32,
    expected=((), ()),
    most=255,
)
"""The first fit of an adaptive network."""

WIDE = Fit(
    own=((0, -2), (1, 0), (1, -1), (1, 1), (2, 0), (1, -2), (1, 2)),
    earlier=((0, 0), (1, 0), (1, -1), (1, 1), (0, -2)),
    windows=((4, 4), (8, 2), (13, 1)),
    ridge=128,
    expected=(
        (((1, 0), 0.4), ((1, -1), -0.2), ((1, 1), 0.15)),
        (((0, 0), 0.75), ((1, 0), -0.3), ((1, -1), 0.1), ((1, 1), -0.15)),
    ),
    most=127,
)
"""The second one: it sees farther, and what it expects holds it where the picture says little."""

FITS = (NEAR, WIDE)

RELATIVE = (NEAR._replace(scale=64, deviation=20), WIDE._replace(scale=32, deviation=10))
"""The same in units of the spread."""

MOST_PLAIN = 256
"""Levels up to which the unit of fits is a level."""


def fits_for(levels: int, count: int) -> tuple[Fit, ...]:
    """The fits of a network for so many levels."""
    return (FITS if levels <= MOST_PLAIN else RELATIVE)[:count]


ERRORS = ((0, -1), (1, 0), (1, -1), (1, 1), (0, -2), (2, 0))
"""Rows up and columns to the right of the pixels whose errors of the fits a network with both sees."""

OF_A_FIT = 3
"""Inputs of a head that tell of a least-squares fit: the prediction twice, and its deviation."""


def candidate_pairs(copies: int) -> list[tuple[int, int]]:
    """Pairs of candidates whose colours are compared: each with the first, and with the second."""
    return [(i, j) for i in range(min(2, copies)) for j in range(i + 1, copies)]
