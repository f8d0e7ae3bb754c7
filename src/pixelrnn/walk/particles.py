r"""Sequential Monte Carlo over the walk: many walks of an image at once, among which the known values choose.

A walk draws the unknown values in raster order, so a known value steers only what comes after it. For the rest, walks
(particles) are weighted by the probability of every known value when they pass it; when few of them carry most of the
weight, they are resampled in proportion to it. Then, as particles grow, one drawn by weight comes from
:math:`p(unknown \mid known)`, and the mean of the weights estimates :math:`p(known)` without bias.

Doucet, Johansen, *A Tutorial on Particle Filtering and Smoothing* (2009), sections 3.4 and 3.5; systematic resampling:
Kitagawa 1996.

Shapes: N images, P particles, C, H, W.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from pixelrnn.condition import Condition
from pixelrnn.progress import Reporter
from pixelrnn.walk.protocol import AbstractFace, Array, Batch
from pixelrnn.walk.walk import Begun, Stops, walk

__all__ = ["Evidence", "Particles", "Randomness", "advance"]

LEAST_EFFECTIVE = 0.5  # of the particles; with fewer, an image is resampled


@dataclasses.dataclass(frozen=True)
class Particles:
    """The particles of some images; changed in place.

    Attributes:
        values: `(N, P, C, H, W)` float32.
        log_weights: `(N, P)` float64, since the last resampling.
        log_evidence: `(N)` float64: logarithms of the mean weights at all resamplings, summed.
    """

    values: Array
    log_weights: Array
    log_evidence: Array

    @classmethod
    def of(cls, values: Array, particles: int) -> Self:
        """Particles that all begin with the values `(N, C, H, W)`."""
        images = len(values)
        repeated = np.repeat(values[:, None], particles, axis=1)
        return cls(repeated, np.zeros((images, particles)), np.zeros(images))

    def chosen(self, numbers: Array) -> tuple[Array, Array]:
        """One particle of each image, drawn by weight with its number in [0, 1), and the estimates of log p(known)."""
        highest, weights = self._weights()
        cumulative = weights.cumsum(1)
        places = (cumulative <= numbers[:, None] * cumulative[:, -1:]).sum(1)
        estimates = self.log_evidence + highest + np.log(weights.mean(1))
        return self.values[np.arange(len(places)), places.clip(max=weights.shape[1] - 1)], estimates

    def resample(self, numbers: Array) -> Array | None:
        """Systematic resampling of the images that need it.

        Args:
            numbers: `(N)` in [0, 1).

        Returns:
            For each of the N P walks, the one whose place it takes on; None if no image needs it.
        """
        highest, weights = self._weights()
        images, particles = weights.shape
        needs = weights.sum(1) ** 2 < LEAST_EFFECTIVE * particles * (weights**2).sum(1)
        if not needs.any():
            return None
        origins = np.arange(images * particles).reshape(images, particles)
        for image in np.flatnonzero(needs):
            cumulative = weights[image].cumsum()
            points = (numbers[image] + np.arange(particles)) / particles * cumulative[-1]
            places = np.searchsorted(cumulative, points, side="right").clip(max=particles - 1)
            origins[image] = image * particles + places
            self.log_evidence[image] += highest[image] + np.log(weights[image].mean())
            self.log_weights[image] = 0
        return origins.reshape(-1)

    def _weights(self) -> tuple[Array, Array]:
        """The highest logarithm of a weight of each image, and the weights in proportion to it."""
        highest = self.log_weights.max(1)
        return highest, np.exp(self.log_weights - highest[:, None])


class Evidence(NamedTuple):
    """What is known of images.

    Attributes:
        is_known: `(N, C, H, W)` bool.
        weighs: `(N, C, H, W)` bool: which of the known values weigh.
    """

    is_known: Array
    weighs: Array


class Randomness(NamedTuple):
    """Where the random numbers come from.

    Attributes:
        uniform: Draws the values of a range of the N P walks; see `walk`.
        resampling: Gives `(N, H W)` numbers in [0, 1); not called if there is no resampling.
    """

    uniform: Callable[[range], Array]
    resampling: Callable[[], Array]


def advance(
    face: AbstractFace,
    particles: Particles,
    evidence: Evidence,
    randomness: Randomness,
    *,
    condition: Condition,
    report: Reporter,
) -> None:
    """Let particles draw what is not known, and weigh them by what is.

    Args:
        face: Made for the height and width of the images.
        particles: Hold the known values; get the others.
        evidence: What is known.
        randomness: What draws.
        condition: Condition of the N P walks.
        report: Reporter that is told the finished share after every row, and whenever particles are resampled.
    """
    images, count, channels, height, width = particles.values.shape
    values = particles.values.reshape(-1, channels, height, width)
    nats = np.zeros_like(values) if evidence.weighs.any() else None
    weighing = evidence.weighs.reshape(images, 1, channels, height * width)
    places = _stops(evidence) if count > 1 else frozenset[int]()
    numbers = randomness.resampling() if places else None
    weighed = 0

    def weigh(pixel: int) -> None:
        nonlocal weighed
        if nats is not None:
            span, found = slice(weighed, pixel), nats.reshape(images, count, channels, height * width)
            particles.log_weights[:] += np.where(weighing[..., span], found[..., span], 0).sum((2, 3), dtype=np.float64)
        weighed = pixel

    def choose(visit: int) -> Array | None:
        assert numbers is not None
        weigh(visit // channels)
        origins = particles.resample(numbers[:, visit // channels])
        if origins is not None:
            report(visit / (channels * height * width), resampled=(visit // channels, origins))
        return origins

    is_known = np.repeat(evidence.is_known.astype(np.uint8), count, axis=0)
    batch = Batch(values, condition, is_known=is_known, log_prob=nats)
    stops = Stops(places, choose) if places else None
    begun = _begun_together(face, batch, count)
    walk(face, batch, uniform=randomness.uniform, stops=stops, begun=begun, batch=len(values), report=report)
    weigh(height * width)


def _begun_together(face: AbstractFace, batch: Batch, count: int) -> Begun | None:
    """The walk up to the first value that some image is to draw, which so many particles of each have in common.

    None if they have not: if there is nothing before it, or each has a context of its own.
    """
    assert batch.is_known is not None
    schedule, each = face.schedule(must_stop=True), np.arange(0, len(batch.values), count)
    images, channels, height, width = batch.is_known[each].shape
    before = int((batch.is_known[each] == 0).any((0, 1)).argmax())  # pixels
    steps = before * channels // schedule.unit
    if count == 1 or steps == 0 or batch.condition.context is not None:
        return None
    nats = None if batch.log_prob is None else np.zeros((images, channels, height, width), np.float32)
    uniform = np.zeros((images, height, width, channels))  # nothing is drawn
    first = Batch(batch.values[each], batch.condition.of(each), batch.is_known[each], uniform, nats)
    face.require(first)
    state = face.state(images)
    face.advance(state, first, schedule, 0, steps)
    if nats is not None and batch.log_prob is not None:
        batch.log_prob[:] = np.repeat(nats, count, axis=0)
    return Begun(face.gather(state, np.repeat(np.arange(images), count)), steps)


def _stops(evidence: Evidence) -> frozenset[int]:
    """The sub-pixels at which resampling may help: behind pixels that weigh, as long as something is to be drawn."""
    channels = evidence.is_known.shape[1]
    weighs = evidence.weighs.any((0, 1)).reshape(-1)
    unknown = np.flatnonzero(~evidence.is_known.all((0, 1)).reshape(-1))
    last = unknown[-1] if len(unknown) else 0
    return frozenset((int(pixel) + 1) * channels for pixel in np.flatnonzero(weighs) if pixel < last)
