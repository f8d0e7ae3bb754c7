r"""Muon: steps along the orthogonal factor of the momentum, for the matrices between the layers.

Paper: K. Jordan et al., *Muon: an optimizer for hidden layers in neural networks* (2024); the scale of the steps after
J. Liu et al., *Muon is scalable for LLM training* (arXiv 2502.16982), section 2.2.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

__all__ = ["BETAS", "Muon", "orthogonal"]

BETAS = (0.9, 0.99)  # of AdamW
MOMENTUM = 0.95
RMS = 0.5  # of a step, in learning rates: about what Adam's steps have
DIRECTIONS = 2
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(AdamW):
    r"""Takes Muon's steps for some parameters and AdamW's for all others, at one learning rate.

    With a gradient G of m outputs and n inputs,

    .. math::
        B \leftarrow \mu B + (1 - \mu) G, \qquad
        W \leftarrow W - \tfrac12 \eta \sqrt{\max(m, n)}\; U V^T, \qquad U S V^T = (1 - \mu) G + \mu B

    so that every step has the root mean square :math:`\eta / 2`. That of a convolution is the matrix of its outputs and
    all that they see; two directions are two matrices.

    Args:
        matrices: Parameters of two axes or more that take Muon's steps.
        others: All other parameters.
        lr: Learning rate.
        weight_decay: Decoupled, of both.

    Example:
        >>> layer = torch.nn.Linear(3, 2)
        >>> optimiser = Muon([layer.weight], [layer.bias], lr=0.1)
        >>> layer(torch.ones(1, 3)).sum().backward()
        >>> optimiser.step()
    """

    def __init__(
        self, matrices: Iterable[nn.Parameter], others: Iterable[nn.Parameter], *, lr: float, weight_decay: float = 0.0
    ) -> None:
        groups = [{"params": list(others)}, {"params": list(matrices)}]
        super().__init__(groups, lr=lr, betas=BETAS, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make a step; the gradients of the matrices are taken away."""
        group = self.param_groups[1]
        found = sorted((parameter for parameter in group["params"] if parameter.grad is not None), key=_sides)
        # Those of one shape at once, here and in torch: a matrix alone is too small to be worth a call.
        for sides, same in itertools.groupby(found, _sides):
            parameters = list(same)
            steps = self._after_momentum(parameters)
            matrices = [step.reshape(-1, *sides) for step in steps]
            directions = torch.split(orthogonal(torch.cat(matrices)), [len(each) for each in matrices])
            shaped = [each.view_as(parameter) for each, parameter in zip(directions, parameters, strict=True)]
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, shaped, alpha=-group["lr"] * RMS * max(sides) ** 0.5)
            for parameter in parameters:
                parameter.grad = None
        return super().step(closure)

    def _after_momentum(self, parameters: Sequence[nn.Parameter]) -> Sequence[Tensor]:
        """What is to be made orthogonal, after the gradients were taken into the momentum."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            if not self.state[parameter]:
                # AdamW looks for its count of steps in every state that it loads.
                self.state[parameter].update(step=torch.zeros(()), momentum=torch.zeros_like(parameter))
            self.state[parameter]["step"] += 1
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        return torch._foreach_lerp(gradients, momenta, MOMENTUM)


def _sides(parameter: Tensor) -> tuple[int, int]:
    """Rows and columns of the matrices that a parameter is: of its outputs, and all that they see."""
    has_directions = parameter.ndim == 3 and len(parameter) == DIRECTIONS
    rows = parameter.shape[1] if has_directions else len(parameter)
    return rows, math.prod(parameter.shape[2:] if has_directions else parameter.shape[1:])


def orthogonal(x: Tensor) -> Tensor:
    r"""About :math:`U V^T` of matrices :math:`U S V^T`, `(K, m, n)`, by Newton and Schulz's iteration.

    Its coefficients lift small singular values fast and leave all of them between about 0.7 and 1.2, which is enough.

    Example:
        >>> found = torch.linalg.svdvals(orthogonal(torch.eye(3)[None] * torch.tensor([1.0, 0.5, 0.1])))
        >>> bool((found > 0.6).all() and (found < 1.3).all())
        True
    """
    is_tall = x.shape[1] > x.shape[2]
    x = x.mT if is_tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        squares = x @ x.mT
        x = a * x + (b * squares + c * squares @ squares) @ x
    return x.mT if is_tall else x
