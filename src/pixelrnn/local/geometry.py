"""What a pixel of a local network sees: who may see whom, and how far rows computed side by side must be apart."""

__all__ = [
    "CANDIDATES",
    "FITTED_LAG",
    "FITTED_ROWS",
    "LAG",
    "NEIGHBOURS",
    "OF_A_FIT",
    "RADIUS",
    "WINDOW",
    "WINDOWS",
    "candidate_pairs",
    "fitted_differences",
]

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

WINDOWS = ((2, 4), (4, 2), (7, 1))
"""Radius and weight of the windows, one in another, that an adaptive network is fitted in, from the smallest.

A window of radius r has r rows above, 2 r + 1 columns wide, and r pixels to the left. A pixel counts with the weights
of all windows that it is in.
"""

WINDOW = WINDOWS[-1][0]
"""Rows above, and columns to both sides, of the largest window."""

FITTED_ROWS = WINDOW + 2
"""Rows above that are fitted: those of the largest window, and those that the differences of its pixels are with."""

FITTED_LAG = WINDOW + 1
"""As `LAG`, of adaptive networks; even as well."""

OF_A_FIT = 3
"""Inputs of a head that tell of a least-squares fit: the prediction twice, and its deviation."""

_OWN = ((0, -2), (1, 0), (1, -1), (1, 1), (2, 0))
_EARLIER = ((0, 0), (1, 0), (1, -1), (1, 1), (0, -2))


def fitted_differences(channel: int) -> list[tuple[int, int, int]]:
    """The sub-pixels that a least-squares prediction of a channel uses: channel, rows up, columns to the right.

    Each stands for its difference to the western neighbour in its own channel.

    Example:
        >>> [len(fitted_differences(channel)) for channel in range(3)]
        [5, 10, 15]
    """
    return [(channel, *place) for place in _OWN] + [
        (earlier, *place) for earlier in range(channel) for place in _EARLIER
    ]


def candidate_pairs(copies: int) -> list[tuple[int, int]]:
    """Pairs of candidates whose colours are compared: each with the first, and with the second."""
    return [(i, j) for i in range(min(2, copies)) for j in range(i + 1, copies)]
