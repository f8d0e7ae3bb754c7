"""Scores of batches of pictures, as engines call for them: how likely each is, and how unusual that makes it."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from pixelrnn import zoo
from pixelrnn.app.images import load_as_trained
from pixelrnn.config import DataConfig
from pixelrnn.data.images import ImageSet
from pixelrnn.errors import ConfigError, DataError
from pixelrnn.model.base import AbstractImageModel
from pixelrnn.runs.run import Run
from pixelrnn.scale.batch import PICTURES, Batch, as_column, column_of, pictures_of, sets_of
from pixelrnn.scale.loading import loaded
from pixelrnn.scores.comparison import Comparison
from pixelrnn.scores.score import Images, Scores, exact_score, log_prob_maps, score

__all__ = ["Scorer"]

Array = np.ndarray[Any, np.dtype[Any]]


class Scorer:
    r"""Tells of each picture of a batch how likely it is: a callable that an engine can map over millions.

    The figures are those of `pixelrnn score`: :math:`-\ln p(x)` to a millionth of its value, since sums depend on what
    is computed together; with `exact` to the last bit, whatever the batch.

    Args:
        model: A model; or a run or model folder, the name of a shipped model or `hf:owner/name`, which is loaded once
            in each process, when it is first called.
        method: How unusual pictures are told: a method of `pixelrnn.scores.comparison.Comparison`, or one of these that
            was fitted already; None: not at all.
        usual: Usual images, which the method compares with: images, or their source; those of validation of the run
            if not given.
        maps: Give the bits of each pixel as well.
        exact: Compute by the walk: see `pixelrnn.scores.score.exact_score`.
        threads: Threads of this process; as they are if not given.
        column: Name of the column of pictures; see `pixelrnn.scale.batch` for those that are found.

    Raises:
        ConfigError: If the method does not suit the model, or usual images are missing; if the model needs a context.

    Example:
        >>> import numpy as np
        >>> from pixelrnn import ImageModel, ModelConfig
        >>> model = ImageModel(ModelConfig(shape=(1, 4, 4), levels=2, layers=1, hidden=4), seed=0)
        >>> table = Scorer(model)({"image": np.zeros((3, 1, 4, 4), np.uint8), "name": np.array(["a", "b", "c"])})
        >>> sorted(table), table["nats"].shape
        (['bits_per_dim', 'error', 'name', 'nats'], (3,))
    """

    def __init__(
        self,
        model: AbstractImageModel | str | Path,
        method: str | Comparison | None = None,
        usual: Images | str | Path | None = None,
        *,
        maps: bool = False,
        exact: bool = False,
        threads: int | None = None,
        column: str | None = None,
    ) -> None:
        self.model, self.method, self.usual = model, method, usual
        self.maps, self.exact, self.threads, self.column = maps, exact, threads, column
        self._ready: _Ready | None = None
        if not isinstance(model, str | Path):
            self._ready = _Ready(self)

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs: of a model that has a name, that name."""
        has_name = isinstance(self.model, str | Path)
        return self.__dict__ | ({"_ready": None} if has_name else {})

    @property
    def loaded(self) -> AbstractImageModel:
        """The model in this process."""
        if self._ready is None:
            self._ready = _Ready(self)
        return self._ready.model

    def __call__(self, batch: Batch) -> dict[str, Array]:
        """Score the pictures of a batch.

        Args:
            batch: Rows; `column` holds pictures, `label` their labels if the model knows any.

        Returns:
            The other columns as they are, and a value for each row: `nats`, `bits_per_dim`; with a method `score`,
            `p_value` and `rank`; with maps `map`, `(H, W)` float32 bits; and `error`, which says why there are no
            numbers (they are NaN then), and is empty else.

        Raises:
            ConfigError: If there is no column of pictures, or of labels that are needed.
        """
        if self._ready is None:
            self._ready = _Ready(self)
        return self._ready.table(batch)


class _Ready:
    """What a scorer holds once its model is loaded."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.data = scorer, DataConfig()
        fitted = scorer.method.model if isinstance(scorer.method, Comparison) else scorer.model
        self.model = loaded(fitted, scorer.threads)
        self.run: Run | None = None
        if isinstance(scorer.model, str | Path):
            self.run = Run.open(zoo.find(scorer.model))
            self.data = self.run.data
        if self.model.config.context is not None:
            raise ConfigError("the model needs a context for each image, which rows do not hold")
        self.comparison = self._compared()

    def _compared(self) -> Comparison | None:
        method, usual = self.scorer.method, self.scorer.usual
        if method is None or isinstance(method, Comparison):
            return method
        comparison = Comparison(self.model, method, exact=self.scorer.exact)
        if self.run is not None and (usual is None or isinstance(usual, str | Path)):
            loaded = load_as_trained(self.run, None if usual is None else str(usual), are_whole=True)
            usual = loaded.data.valid if loaded.is_own else loaded.data.whole
        if usual is None or isinstance(usual, str | Path):
            raise ConfigError(f"method {comparison.method} compares with usual images; give them as `usual`")
        return comparison.fit(usual)

    def table(self, batch: Batch) -> dict[str, Array]:
        name = column_of(batch, (self.scorer.column,) if self.scorer.column else PICTURES)
        found = pictures_of(batch[name], self.model.config, self.data)
        numbers = {each: np.full(len(found), math.nan) for each in self._columns}
        errors = np.array([picture.error for picture in found], object)
        maps = np.empty(len(found), object)
        for rows, images in sets_of(found, self.model.config, self._labels(batch), has_support=self.data.support):
            try:
                columns, of_rows = self._scored(images)
            except DataError as error:  # pictures that are too large, say: the others are scored
                errors[rows] = str(error)
                continue
            for each, values in columns.items():
                numbers[each][rows] = values
            for row, bits in zip(rows, of_rows, strict=False):
                maps[row] = bits
        others = {each: np.asarray(values) for each, values in batch.items() if each != name}
        return others | numbers | ({"map": as_column(list(maps))} if self.scorer.maps else {}) | {"error": errors}

    @property
    def _columns(self) -> tuple[str, ...]:
        own = () if self.comparison is None else ("score", "p_value", "rank")
        return (*own, "nats", "bits_per_dim")

    def _labels(self, batch: Batch) -> Any:
        config = self.model.config
        if not config.classes:
            return None
        if "label" in batch:
            return batch["label"]
        if config.label_dropout > 0:
            return None
        raise ConfigError("the model knows labels; the rows have no column `label`")

    def _scored(self, images: ImageSet) -> tuple[dict[str, Array], list[Array]]:
        maps = list[Array]()
        if not self.scorer.maps:
            lengths = None if self.comparison else self._lengths(images)
        else:
            found = np.concatenate([part.double().numpy() for part in log_prob_maps(self.model, images)])
            maps = [(-each.sum(0) / math.log(2)).astype(np.float32) for each in found]
            lengths = Scores(-found.sum((1, 2, 3)), np.full(len(found), found[0].size))
            if self.scorer.exact:
                lengths = self._lengths(images)
        if self.comparison is not None:
            return self.comparison.table(images, lengths=lengths), maps
        assert lengths is not None
        return {"nats": lengths.nats, "bits_per_dim": lengths.bits_per_dim}, maps

    def _lengths(self, images: ImageSet) -> Scores:
        return (exact_score if self.scorer.exact else score)(self.model, images)
