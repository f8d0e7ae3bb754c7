"""An architecture and an output of your own, with everything that the package does for its own ones.

    python examples/own_architecture.py train digits --architecture gated-conv --output binomial --minutes 1
    python examples/own_architecture.py sample runs/digits-gated-conv -n 16

The network only has to be causal: what it gives for a sub-pixel may depend on earlier ones, and on label and context if
it takes them. Likelihoods, training, samples, completions, scores and the command line come with two calls at the end.
"""

import sys

import torch
from torch import Tensor, nn

import pixelrnn
from pixelrnn.__main__ import main
from pixelrnn.condition import Condition
from pixelrnn.masks import causal_mask, groups
from pixelrnn.nn.conv import MaskedConv2d, pointwise


class GatedConv(nn.Module):
    """Masked convolutions with gates: no vertical stack, so it has the blind spot of the PixelCNN."""

    def __init__(self, config: pixelrnn.ModelConfig, start: Tensor) -> None:
        super().__init__()
        channels, self.parameters_each = config.shape[0], len(start)
        features = groups(2 * config.hidden, channels)
        self.first = MaskedConv2d(causal_mask("A", groups(channels, channels), features, 7, 7))
        mask = causal_mask("B", features, features.repeat(2), 3, 3)
        self.layers = nn.ModuleList(MaskedConv2d(mask) for _ in range(config.layers))
        self.labels = nn.Parameter(torch.zeros(config.classes, len(features)))
        self.last = pointwise(features, groups(channels, channels).repeat_interleave(len(start)))
        self.dropout = nn.Dropout(0.0)  # `--dropout` sets its rate
        with torch.no_grad():
            self.last.bias.copy_(start.repeat(channels))

    def forward(self, x: Tensor, condition: Condition) -> Tensor:
        """Map scaled images `(N, C, H, W)` to parameters `(N, C, P, H, W)`."""
        h = self.first(x)
        if condition.label is not None:
            h = h + (self.labels[condition.label.clamp(min=0)] * (condition.label >= 0)[:, None])[:, :, None, None]
        for layer in self.layers:
            value, gate = layer(h.relu()).chunk(2, dim=1)
            h = h + self.dropout(value * gate.sigmoid())
        return self.last(h.relu()).unflatten(1, (x.shape[1], self.parameters_each))

    def hidden_matrices(self) -> list[nn.Parameter]:
        """Weights between features: Muon's steps suit them."""
        return [layer.weight for layer in self.layers]


class Binomial:
    """Binomial over the levels: p(x) = C(L-1, x) s(l)^x s(-l)^(L-1-x), of one logit l."""

    parameters = 1

    def __init__(self, config: pixelrnn.ModelConfig) -> None:
        self.top = config.levels - 1

    def start(self) -> Tensor:
        """Both ends alike."""
        return torch.zeros(1)

    def log_table(self, parameters: Tensor) -> Tensor:
        """Nats of all levels, `(N, C, L, ...)`."""
        levels = torch.arange(self.top + 1).to(parameters).view(-1, *(1,) * (parameters.dim() - 3))
        return torch.distributions.Binomial(self.top, logits=parameters).log_prob(levels)

    def log_prob(self, parameters: Tensor, x: Tensor) -> Tensor:
        """Nats of each value in 0 .. L-1."""
        return self.log_table(parameters).gather(2, x.long().unsqueeze(2)).squeeze(2)


pixelrnn.register_architecture("gated-conv", GatedConv, learning_rate=3e-3, takes_labels=True)
pixelrnn.register_output("binomial", Binomial)

if __name__ == "__main__":
    sys.exit(main())
