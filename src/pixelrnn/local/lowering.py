"""The program of a local network: its weights one behind the other, and its tables."""

import numpy as np
import torch
from torch import Tensor

from pixelrnn.local.geometry import CANDIDATES, NEIGHBOURS, candidate_pairs, fits_for
from pixelrnn.local.network import LocalNetwork
from pixelrnn.local.program import LocalProgram
from pixelrnn.local.table import table_of

__all__ = ["lower"]


@torch.no_grad()
def lower(network: LocalNetwork, size: tuple[int, int]) -> LocalProgram:
    """The program of a local network, for images of any size, whichever is given."""
    heads = network.by_channel
    parts: list[Tensor] = [torch.cat([network.first, *(head.linear for head in heads)], dim=1), network.level]
    parts += [network.same, network.place, torch.zeros(0) if network.biases is None else network.biases]
    parts.append(torch.cat([torch.cat([layer.weight.flatten(), layer.bias]) for layer in network.linears]))
    empty = torch.zeros(0)
    parts.append(empty if network.errors is None else network.errors)
    for head in heads:
        parts += [head.features.weight, head.features.bias]
        parts += [empty if part is None else part for part in (head.earlier, head.match)]
        parts += [head.out.weight, head.out.bias, head.current]
        parts += [empty if part is None else part for part in (head.adapt, head.fit)]
    flat = [part.detach().to("cpu", torch.float32).contiguous().view(-1).numpy() for part in parts]
    pairs = candidate_pairs(network.copies)
    return LocalProgram(
        weights=np.concatenate(flat),
        places=np.cumsum([0, *(len(part) for part in flat[:-1])]).astype(np.int64),
        offsets=np.array([*NEIGHBOURS, *CANDIDATES[: network.copies], *pairs], np.int64),
        tables=tuple(table_of(fit, len(heads)) for fit in fits_for(network.levels, network.fits)),
        sizes=dict(
            channels=len(heads),
            levels=network.levels,
            hidden=len(network.level),
            layers=len(network.layers),
            head=heads[0].features.out_features,
            mixtures=heads[0].mixtures,
            copies=network.copies,
            pairs=len(pairs),
            grid=len(network.place),
            sets=len(network.first),
            neighbours=len(NEIGHBOURS),
            fits=network.fits,
        ),
        classes=0 if network.biases is None else len(network.biases),
    )
