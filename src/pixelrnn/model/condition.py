"""Checks of what a model is given: images, what is known of them, and the condition.

Each function returns what the networks take, or raises an error that says what is allowed.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pixelrnn.colours import planes
from pixelrnn.colours.support import OUTSIDE, Support, Trie, build_trie, rows_of
from pixelrnn.condition import Condition
from pixelrnn.config import ModelConfig
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.pictures import Pictures, as_tensor

__all__ = [
    "Supports",
    "as_contexts",
    "as_images",
    "as_partly_known",
    "check_condition",
    "planes_of_known",
    "require_inside",
    "scale",
    "scale_context",
    "to_colours",
    "to_planes",
]

Supports = Support | Sequence[Support | None]
"""Of all images, or of each; None for an image in which every colour can occur."""

WIDE = (torch.uint16, torch.uint32, torch.uint64)  # of which torch finds no minimum


def scale(config: ModelConfig, values: Tensor, dtype: torch.dtype) -> Tensor:
    """Images as the networks read them: levels spread over [-1, 1], continuous values as they are."""
    return 2 * values.to(dtype) / (config.levels - 1) - 1 if config.levels else values.to(dtype)


def scale_context(config: ModelConfig, values: Tensor, dtype: torch.dtype) -> Tensor:
    """Contexts as the networks read them: integer levels as those of images, floats as they are."""
    return values.to(dtype) if values.is_floating_point() else scale(config, values, dtype)


def as_images(config: ModelConfig, x: Pictures) -> Tensor:
    """Images as a tensor `(N, C, H, W)` that fits the model.

    Raises:
        DataError: If the shape, the type or a value of `x` does not fit.
    """
    channels, x = config.shape[0], as_tensor(config, x)
    if x.dim() != 4 or x.shape[1] != channels or 0 in x.shape:
        raise DataError(f"images have shape {tuple(x.shape)}; (N, {channels}, H, W) is needed, nothing empty")
    if config.levels == 0:
        if not x.is_floating_point() or not bool(x.isfinite().all()):
            raise DataError(f"a continuous model takes finite floats; these are {x.dtype}, or not finite")
        return x
    if x.is_floating_point():
        raise DataError(f"images are {x.dtype}; integers 0 .. {config.levels - 1} are needed")
    _levels("images", x, config.levels)
    return x


def to_planes(config: ModelConfig, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Checked images in the planes that the model is of, on their device.

    Returns:
        `(N, C, H, W)`, and where there are none that give a pixel's colour, `(N, H, W)` bool; None if there always are.
    """
    if config.colours == "rgb":
        return x, None
    found, is_found = planes.find_planes(x.detach().cpu().movedim(1, 0).to(torch.uint8).numpy(), config.colours)
    return (torch.from_numpy(found).movedim(0, 1).to(x.device), torch.from_numpy(~is_found).to(x.device))


def planes_of_known(config: ModelConfig, x: Tensor, known: Tensor) -> Tensor:
    """Images in planes where they are known, `(N, C, H, W)`; else 0.

    Raises:
        DataError: If a pixel is known in part, or has a colour that no planes give.
    """
    if config.colours == "rgb":
        return x
    if not bool((known == known[:, :1]).all()):
        raise DataError(f"known holds single channels of pixels; a model of {config.colours} colours needs whole ones")
    found, is_impossible = to_planes(config, x)
    assert is_impossible is not None
    if bool((is_impossible & known[:, 0]).any()):
        raise DataError(f"known pixels have colours that never come from {config.colours}")
    return found * known


def to_colours(config: ModelConfig, x: Tensor) -> Tensor:
    """Images from the planes that a model is of."""
    if config.colours == "rgb":
        return x
    return (
        torch.from_numpy(planes.from_planes(x.cpu().movedim(1, 0).numpy(), config.colours)).movedim(0, 1).to(x.device)
    )


def _levels(what: str, x: Tensor, levels: int) -> None:
    if x.is_complex() or x.dtype == torch.bool:
        raise DataError(f"{what} are {x.dtype}; integers 0 .. {levels - 1} are needed")
    x = x.long() if x.dtype in WIDE else x
    low, high = int(x.min()), int(x.max())
    if low < 0 or high >= levels:
        raise DataError(f"{what} hold values {low} .. {high}; this model has {levels} levels, 0 .. {levels - 1}")


def as_partly_known(config: ModelConfig, x: Pictures, known: Tensor) -> tuple[Tensor, Tensor]:
    """Images whose unknown values are 0, and the mask `(N, C, H, W)` of what is known.

    Raises:
        DataError: If the images do not fit the model, or the mask is no mask of them.
    """
    x = as_tensor(config, x)
    known = torch.as_tensor(known)
    if known.dtype != torch.bool:
        raise DataError(f"known is {known.dtype}; a mask of bool is needed")
    try:
        mask = known.to(x.device).broadcast_to(x.shape)
    except RuntimeError:
        raise DataError(
            f"known has shape {tuple(known.shape)}, which does not fit images of shape {tuple(x.shape)}; "
            "(H, W), (C, H, W), (N, 1, H, W) or (N, C, H, W) are allowed"
        ) from None
    x = torch.where(mask, x, torch.zeros((), dtype=x.dtype, device=x.device))
    return as_images(config, x), mask


def check_condition(config: ModelConfig, given: Condition, n: int, size: tuple[int, int] | None = None) -> Condition:
    """What n images are given, as the model takes it.

    Args:
        config: Configuration of the model.
        given: Label: one for all images or `(n,)`; context: `(Cc, Hc, Wc)` for all or `(n, Cc, Hc, Wc)`; support: one
            for all or one for each.
        n: Number of images.
        size: Height and width of the images, if that is settled.

    Returns:
        Labels `(n,)` int64, contexts `(n, Cc, Hc, Wc)`, and the trie of what can occur in the planes that the model is
        of; None for what the model does not take.

    Raises:
        ConfigError: If something is needed and not given, or given to a model that takes none.
        DataError: If something does not fit.
    """
    return Condition(
        _as_labels(config, given.label, n),
        as_contexts(config, given.context, n, size),
        _as_trie(config, given.support, n),
    )


def _as_labels(config: ModelConfig, given: int | Tensor | None, n: int) -> Tensor | None:
    """Labels `(n,)` int64, -1 for none; None if the model knows no labels.

    Raises:
        ConfigError: If a label is needed and not given, or given to a model that knows none.
        DataError: If labels are not n integers, or out of range.
    """
    classes = config.classes
    if classes == 0:
        if given is not None:
            raise ConfigError("a label is given, but the model has no classes (it was trained without labels)")
        return None
    lowest = -1 if config.label_dropout else 0
    if given is None:
        if lowest == 0:
            raise ConfigError(
                f"the model needs a label, 0 .. {classes - 1}: give `label`; "
                "trained with label_dropout, it could do without"
            )
        given = -1
    try:
        labels = torch.as_tensor(given)
    except (TypeError, ValueError):
        raise DataError(f"label is {given!r}; integers are needed") from None
    if labels.dim() == 0:
        labels = labels.expand(n)
    if labels.shape != (n,) or labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise DataError(f"labels are {labels.dtype} of shape {tuple(labels.shape)}; {n} integers are needed")
    labels = labels.long()
    if n and (int(labels.min()) < lowest or int(labels.max()) >= classes):
        none = ", or -1 for none" if lowest else ""
        raise DataError(f"labels are {int(labels.min())} .. {int(labels.max())}; 0 .. {classes - 1}{none} are allowed")
    return labels


def as_contexts(config: ModelConfig, given: Tensor | None, n: int, size: tuple[int, int] | None) -> Tensor | None:
    """Context images `(n, Cc, Hc, Wc)`; None if the model has no context.

    Args:
        config: Configuration of the model.
        given: `(Cc, Hc, Wc)` for all, or `(n, Cc, Hc, Wc)`.
        n: Number of images.
        size: Height and width of the images, if that is settled.

    Raises:
        ConfigError: If a context is needed and not given, or given to a model that has none.
        DataError: If it does not fit.
    """
    if config.context is None:
        if given is not None:
            raise ConfigError("a context is given, but the model has none (it was trained without)")
        return None
    channels, rows, columns = config.context
    given = None if given is None else torch.as_tensor(given)
    if given is None:
        raise ConfigError(
            f"the model needs a context image of {channels}x{rows}x{columns} (channels x height x width): "
            "give `context`"
        )
    ratio = config.context_ratio
    wanted = (channels, *((size[0] // ratio[0], size[1] // ratio[1]) if size else given.shape[-2:]))
    is_whole = size is None or (size[0] % ratio[0] == 0 and size[1] % ratio[1] == 0)
    is_one = given.dim() == 3 or (given.dim() == 4 and len(given) == 1)
    whole = given.expand(n, *given.shape[-3:]) if is_one else given
    if not is_whole or whole.shape != (n, *wanted) or math.prod(wanted) == 0:
        sides = "H, W" if size is None else f"{size[0] / ratio[0]:g}, {size[1] / ratio[1]:g}"
        raise DataError(
            f"context has shape {tuple(given.shape)}; ({n}, {channels}, {sides}) is needed, or one for all images"
        )
    if whole.is_floating_point() and not (config.copies_context and config.levels):
        if not bool(whole.isfinite().all()):
            raise DataError("the context holds floats that are not finite")
    elif whole.is_floating_point() != (config.levels == 0):
        raise DataError(f"the context is {given.dtype}; {'integers' if config.levels else 'floats'} are needed")
    else:
        _levels("contexts", given, config.levels)
    return whole


def _as_trie(config: ModelConfig, given: Supports | None, n: int) -> Trie | None:
    """The rows of levels that can occur in each of n images, in the planes that the model is of.

    Raises:
        ConfigError: If a support is given to a model that takes none.
        DataError: If there are not n of them, or their colours are none of the model.
    """
    if given is None:
        return None
    if not config.takes_support:
        raise ConfigError(f"a support is given, but architecture {config.architecture!r} takes none")
    each = [given] * n if isinstance(given, Support) else list(given)
    if len(each) != n:
        raise DataError(f"{len(each)} supports are given; {n} are needed, or one for all images")
    if all(one is None for one in each):
        return None
    planar = {id(one): _planar(config, one) for one in each if one is not None}
    return build_trie([None if one is None else planar[id(one)] for one in each])


def _planar(config: ModelConfig, given: Support) -> Support:
    channels, highest = config.shape[0], int(given.colours.max())
    if given.colours.shape[1] != channels or highest >= config.levels:
        raise DataError(
            f"a support has colours of {given.colours.shape[1]} channels, up to {highest}; "
            f"{channels} channels and values up to {config.levels - 1} are needed"
        )
    if config.colours == "rgb":
        return given
    found, is_found = planes.find_planes(given.colours.T, config.colours)
    if not is_found.all():
        raise DataError(f"a support has colours that never come from {config.colours}")
    return Support(found.T)


def require_inside(trie: Trie, x: Tensor, known: Tensor) -> None:
    """Refuse known pixels whose colours cannot occur, and pixels that are known in part: `DataError`."""
    has_support = torch.from_numpy(trie.roots >= 0).to(known.device)
    if not bool((known == known[:, :1])[has_support].all()):
        raise DataError("known holds single channels of pixels; with a support whole ones are needed")
    is_outside = rows_of(trie, x.cpu().numpy())[:, -1] == OUTSIDE
    if (is_outside & known[:, 0].cpu().numpy()).any():
        raise DataError("known pixels have colours that the support does not allow")
