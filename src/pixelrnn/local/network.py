r"""The local network: a causal neighbourhood, a small perceptron, and means that are linear in exact differences.

Made for coding photographs and graphics of any size: what it knows of an image are some 28 pixels above and to the
left, so rows can be computed side by side. With the *local activity* of a pixel, the mean over the channels of

.. math:: a = |x_W - x_{NW}| + |x_N - x_{NW}| + |x_N - x_{NE}| + \epsilon, \qquad \epsilon = \text{one level,}

and the differences :math:`d_{n,c} = x_{n,c} - x_{W,c}` to the western neighbour, a perceptron computes

.. math:: h_0 = K d / a + K^{level} (x_W, \log a), \qquad h_{l+1} = h_l + A_l\,\mathrm{silu}(h_l),

and colour by colour, with the residuals r of the earlier channels of the pixel,

.. math:: u_c = \mathrm{silu}(T_c\,\mathrm{silu}(h) + E_c r_{<c}), \qquad
          \mu_{c,k} = x_{W,c} + w_{c,k} \cdot d + v_{c,k} \cdot (x_{<c} - x_{W,<c}) + a\,(O^\mu_c u_c)_k, \qquad
          \log s_{c,k} = \log a + (O^s_c u_c)_k

for each component k of a mixture of logistics, whose weights come from :math:`O^\pi_c u_c`. With copies, point masses
on the values of the nearest neighbours join the mixture. With a grid, there is a bias for every place in squares of so
many pixels, and a set of K and w for every place in squares of 2x2. An adaptive network also has, for each sub-pixel,
the prediction of a least-squares fit in the pixels around it and its deviation there (`squares.py`):
inputs of the heads, and a term of the means. With two fits, the errors e of both at pixels nearby join the features:

.. math:: h_0 \leftarrow h_0 + K^e (q, |q|), \qquad q = \frac{e / a}{1 + |e / a|}.

It is none of the networks of the paper. The discretised logistics are those of `pixelrnn.outputs.logistic`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixelrnn.condition import Condition
from pixelrnn.config.model import ModelConfig
from pixelrnn.kernels.lazy import compiled_module
from pixelrnn.local.geometry import CANDIDATES, ERRORS, NEIGHBOURS, OF_A_FIT, RADIUS, candidate_pairs, fits_for
from pixelrnn.nn.condition import AUGMENTATION, biases, chosen
from pixelrnn.nn.conv import free_weight

__all__ = ["LocalHead", "LocalNetwork", "padded"]


def padded(x: Tensor) -> Tensor:
    """An image `(N, C, H, W)` with what its border pixels see: `(N, C, RADIUS + H, RADIUS + W + RADIUS)`.

    Above the image lies the lowest level; to the left of a row the first pixel of the row above it; to the right of a
    row its own last pixel.
    """
    above = F.pad(x[..., :1], (0, 0, 1, 0), value=-1.0)[..., :-1, :]
    sides = (*above.shape[:-1], RADIUS)
    wide = torch.cat([above.expand(sides), x, x[..., -1:].expand(sides)], dim=-1)
    return F.pad(wide, (0, 0, RADIUS, 0), value=-1.0)


class LocalNetwork(nn.Module):
    """Maps scaled images to the parameters of every sub-pixel's distribution.

    Features come last here, `(N, H, W, F)`: every layer is one matrix product over all pixels.

    Args:
        config: Configuration with `hidden` features h, `layers` layers A and `head` features u (as many as h if not
            given).

    Example:
        >>> config = ModelConfig(architecture="local", shape=(3, 5, 5), layers=1, hidden=6, mixtures=2)
        >>> LocalNetwork(config)(torch.zeros(2, 3, 5, 5)).shape
        torch.Size([2, 3, 6, 5, 5])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, hidden, inputs = config.shape[0], config.hidden, config.shape[0] * len(NEIGHBOURS)
        self.levels, self.copies, self.fits = config.levels, config.copies, config.fits if config.adaptive else 0
        self.first = nn.Parameter(free_weight(hidden, inputs, inputs=inputs).repeat(sets(config.grid), 1, 1))
        self.level = free_weight(hidden, channels + 1, inputs=channels + 1)
        self.same = nn.Parameter(torch.zeros(hidden, len(candidate_pairs(config.copies))))
        self.place = nn.Parameter(torch.zeros(config.grid, config.grid, hidden))
        self.label = nn.Parameter(torch.zeros(config.classes, hidden)) if config.classes else None
        self.order = nn.Parameter(torch.zeros(config.orders, hidden)) if config.orders > 1 else None
        self.augmentation = nn.Parameter(torch.zeros(AUGMENTATION, hidden)) if config.augmented else None
        of_errors = 2 * len(ERRORS) * channels * self.fits
        self.errors = nn.Parameter(torch.zeros(hidden, of_errors)) if self.fits > 1 else None
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(config.layers))
        self.heads = nn.ModuleList(LocalHead(config, channel) for channel in range(channels))

    def forward(self, x: Tensor, condition: Condition = Condition()) -> Tensor:  # noqa: B008
        """Map images to parameters; see `pixelrnn.nn.network.Network`. A context is not looked at."""
        label = condition.label
        bordered = padded(x)
        fits = self._fits(bordered) if self.fits else None
        around = bordered.movedim(1, 3).contiguous()
        x = x.movedim(1, 3)  # (N, H, W, C)
        near = torch.stack([_shifted(around, x, *place) for place in NEIGHBOURS], dim=4)  # (N, H, W, C, K)
        west = near[..., -1]
        differences = (near - west[..., None]).flatten(3)
        copied = [_shifted(around, x, *place) for place in CANDIDATES[: self.copies]]
        activity = _activity(near, 2 / (self.levels - 1))

        # All that reads the differences at once, each set of weights for its places.
        parts: list[Tensor] = [self.first, *(head.linear for head in self.by_channel)]
        sums = torch.split(
            _placed_product(differences, torch.cat(parts, dim=1)), [len(part[0]) for part in parts], dim=3
        )
        h = sums[0] / activity
        h = h + F.linear(torch.cat([west, activity.log()], dim=3), self.level) + _tiled(self.place, x)
        if pairs := candidate_pairs(self.copies):
            same = torch.stack([(copied[i] == copied[j]).all(3) for i, j in pairs], dim=3)
            h = h + F.linear(same.to(x.dtype), self.same)
        if self.errors is not None and fits is not None:
            h = h + F.linear(_errors_nearby(x, west, activity, fits), self.errors)
        if label is not None:
            h = h + chosen(self.biases, label)[:, None, None]
        if self.augmentation is not None and condition.augmentation is not None:
            h = h + (condition.augmentation.to(h) @ self.augmentation)[:, None, None]
        for layer in self.linears:
            h = h + layer(F.silu(h))
        seen = Seen(x, west, activity, fits)
        return self._by_channel(F.silu(h), sums[1:], seen, copied)

    @property
    def biases(self) -> Tensor | None:
        """What labels and orders add to the features; see `GateCondition.biases`."""
        return biases(self.label, self.order)

    def _fits(self, around: Tensor) -> Tensor:
        """Least-squares predictions and their deviations, `(N, H, W, C, F, 2)`, of images with their borders."""
        squares = compiled_module("pixelrnn.local.squares", "adaptive models")
        plain = self._levels_of(around.detach()).to("cpu", torch.float32).numpy()
        found = [
            torch.from_numpy(squares.fit_images(fit, plain, self.levels)) for fit in fits_for(self.levels, self.fits)
        ]
        return torch.stack(found, dim=4).to(around)

    def _by_channel(self, h: Tensor, sums: Sequence[Tensor], seen: "Seen", copied: list[Tensor]) -> Tensor:
        """The parameters, `(N, C, P, H, W)`, channel by channel."""
        x, found = seen.x, list[Tensor]()
        residuals: list[Tensor] = []
        matches = [torch.ones_like(x[..., 0], dtype=torch.bool) for _ in copied]
        for channel, head in enumerate(self.by_channel):
            own = head(h, sums[channel], seen, residuals, matches)
            residuals += squeezed((x[..., channel : channel + 1] - head.mean(own)) / seen.activity)
            values = [self._levels_of(candidate[..., channel]) for candidate in copied]
            found.append(torch.cat([own, *(value[..., None] for value in values)], dim=3))
            matches = [
                match & (each[..., channel] == x[..., channel]) for match, each in zip(matches, copied, strict=True)
            ]
        return torch.stack(found, dim=1).movedim(4, 2)

    def rows_above(self) -> int:
        """How many rows above it a pixel sees."""
        errors = max(up for up, _ in ERRORS) if self.fits > 1 else 0
        return max([RADIUS + 1, *(fit.rows + errors for fit in fits_for(self.levels, self.fits))])

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The weights that map features to features, which Muon's steps suit."""
        return [parameter for parameter in self.layers.parameters() if parameter.ndim > 1 and len(parameter) > 1]

    def multiplications(self) -> int:
        """How many weights are multiplied with something for every pixel."""
        parts = [self.first[0], *(head.linear[0] for head in self.by_channel), self.level, self.same]
        parts += [layer.weight for layer in self.linears] + ([] if self.errors is None else [self.errors])
        for head in self.by_channel:
            parts += [head.features.weight, head.out.weight, head.current]
            parts += [part for part in (head.earlier, head.match, head.adapt, head.fit) if part is not None]
        return sum(part.numel() for part in parts)

    @property
    def linears(self) -> list[nn.Linear]:
        """The layers in order."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    @property
    def by_channel(self) -> list["LocalHead"]:
        """The heads in order."""
        return [head for head in self.heads if isinstance(head, LocalHead)]

    def _levels_of(self, x: Tensor) -> Tensor:
        return ((x + 1) * ((self.levels - 1) / 2)).round()


class Seen(NamedTuple):
    """What is known of every pixel before its first channel.

    Attributes:
        x: `(N, H, W, C)` scaled images.
        west: `(N, H, W, C)` western neighbours.
        activity: `(N, H, W, 1)` local activity.
        fits: `(N, H, W, C, F, 2)` least-squares predictions and their deviations, of an adaptive network.
    """

    x: Tensor
    west: Tensor
    activity: Tensor
    fits: Tensor | None


class LocalHead(nn.Module):
    """From the features of a pixel, and its earlier channels, to the parameters of one channel.

    Args:
        config: Configuration of the model.
        channel: The channel that it is for.
    """

    def __init__(self, config: ModelConfig, channel: int) -> None:
        super().__init__()
        hidden, width, k = config.hidden, config.head or config.hidden, config.mixtures
        self.channel, self.mixtures = channel, k
        self.features = nn.Linear(hidden, width)
        self.earlier = free_weight(width, 2 * channel, inputs=hidden) if channel else None
        self.match = nn.Parameter(torch.zeros(width, config.copies)) if channel and config.copies else None
        self.out = nn.Linear(width, 3 * k + config.copies)
        self.linear = nn.Parameter(torch.zeros(sets(config.grid), k, config.shape[0] * len(NEIGHBOURS)))
        # What the earlier channels tell is in a fit already.
        self.current = nn.Parameter(torch.full((k, channel), 0.0 if config.adaptive else 1 / max(1, channel)))
        self.adapt = free_weight(width, OF_A_FIT * config.fits, inputs=hidden) if config.adaptive else None
        self.fit = nn.Parameter(torch.full((config.fits, k), 1 / config.fits)) if config.adaptive else None
        if self.fit is not None and config.fits == 1:  # as it is in older files
            self.fit = nn.Parameter(self.fit[0].detach())
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            # Components of several widths, the copies less likely than they.
            self.out.bias.zero_()
            self.out.bias[2 * k : 3 * k] = torch.linspace(-2.0, 1.0, k)
            self.out.bias[3 * k :] = -2.0

    def forward(self, h: Tensor, sums: Tensor, seen: "Seen", residuals: list[Tensor], matches: list[Tensor]) -> Tensor:
        """Parameters `(N, H, W, 3K + M)`: logits, means and logarithms of scales; logits of the M copies."""
        x, west, activity, fits = seen
        fit = None if fits is None else fits[..., self.channel, :, :]
        u, c, k = self.features(h), self.channel, self.mixtures
        if self.earlier is not None:
            u = u + F.linear(torch.cat(residuals, dim=3), self.earlier)
        if self.match is not None:
            u = u + F.linear(torch.stack(matches, dim=3).to(u.dtype), self.match)
        if self.adapt is not None and fit is not None:
            told = [
                torch.cat([*squeezed(each[..., :1] / activity), each[..., 1:] - activity.log()], dim=3)
                for each in fit.unbind(3)
            ]
            u = u + F.linear(torch.cat(told, dim=3), self.adapt)
        out = self.out(F.silu(u))
        means = west[..., c : c + 1] + sums + activity * out[..., k : 2 * k]
        if c:
            means = means + F.linear(x[..., :c] - west[..., :c], self.current)
        if self.fit is not None and fit is not None:
            means = means + fit[..., 0] @ self.fit.view(-1, k)
        return torch.cat([out[..., :k], means, activity.log() + out[..., 2 * k : 3 * k], out[..., 3 * k :]], dim=3)

    def mean(self, own: Tensor) -> Tensor:
        """The mean of the logistics, `(N, H, W, 1)`."""
        k = self.mixtures
        return (own[..., :k].softmax(3) * own[..., k : 2 * k]).sum(3, keepdim=True)


def sets(grid: int) -> int:
    """How many sets of weights a grid has: one for each place in squares of 2x2 pixels, if it has places at all."""
    return 1 if grid == 1 else 4


def _placed_product(x: Tensor, weight: Tensor) -> Tensor:
    """Features `(N, H, W, I)` times a weight `(S, O, I)`, the one of each pixel's place: `(N, H, W, O)`."""
    if len(weight) == 1:
        return F.linear(x, weight[0])
    out = x.new_empty(*x.shape[:3], weight.shape[1])
    for place in range(4):
        down, right = divmod(place, 2)
        out[:, down::2, right::2] = F.linear(x[:, down::2, right::2], weight[place])
    return out


def _activity(near: Tensor, least: float) -> Tensor:
    """The local activity of every pixel, `(N, H, W, 1)`, from its neighbours `(N, H, W, C, K)`."""
    west, north, north_west, north_east = (near[..., NEIGHBOURS.index(place)] for place in CANDIDATES[:4])
    changes = (west - north_west).abs() + (north - north_west).abs() + (north - north_east).abs()
    return changes.mean(3, keepdim=True) + least


def _errors_nearby(x: Tensor, west: Tensor, activity: Tensor, fits: Tensor) -> Tensor:
    """The errors of fits at the pixels of `ERRORS`, `(N, H, W, 2 E F C)`, in units of the activity, squeezed."""
    errors = ((x - west)[..., None] - fits[..., 0]).transpose(3, 4).flatten(3)
    (height, width), reach = x.shape[1:3], 2
    around = F.pad(errors, (0, 0, reach, reach, reach, 0))
    near = [around[:, reach - up : reach - up + height, reach + right : reach + right + width] for up, right in ERRORS]
    q = squeezed(torch.cat(near, dim=3) / activity)[0]
    return torch.cat([q, q.abs()], dim=3)


def _shifted(around: Tensor, x: Tensor, up: int, right: int) -> Tensor:
    """The neighbours of all pixels in one direction, `(N, H, W, C)`."""
    top, left = RADIUS - up, RADIUS + right
    return around[:, top : top + x.shape[1], left : left + x.shape[2]]


def _tiled(place: Tensor, x: Tensor) -> Tensor:
    """The biases `(G, G, F)` of all pixels, `(H, W, F)`."""
    rows, columns = torch.arange(x.shape[1]) % len(place), torch.arange(x.shape[2]) % len(place)
    return place[rows[:, None], columns]


def squeezed(residual: Tensor) -> list[Tensor]:
    """A residual in units of the activity as two numbers between -1 and 1, for small and for large ones."""
    return [residual / (1 + residual.abs()), residual / (8 + residual.abs())]
