"""Work on pieces of a source by Ray Data: actors that load a model once, on one machine or many.

An actor is told a piece, and reads it itself, the next batch while it works on one: pictures travel nowhere else, and
their sizes, and why some cannot be read, are no matter of Ray's. Ray shares the pieces out, bounds what is done ahead
of who takes the results, and gives the piece of a worker that is lost to another.
"""

import contextlib
import dataclasses
import logging
import os
import pickle
import re
import socket
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from pixelrnn.config import usable_cores
from pixelrnn.errors import ConfigError, PixelRNNError
from pixelrnn.kernels.memory import keep_freed_memory
from pixelrnn.progress import Callback, Reporter
from pixelrnn.scale.batch import Batch
from pixelrnn.scale.parts import MOST_ROWS, Columns, Part, joined, names_in
from pixelrnn.scale.reading import Piece, Reading

__all__ = ["Cluster", "applied", "gather", "mapped"]

Call = Callable[[Batch], Iterable[Columns]]

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # it would report its use to its makers, for which nobody has asked
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # it would warn of each actor that it could not be started anew if Ray lost it
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # it would say of a lost worker on standard output that it is replaced
}
PATIENCE = 10.0  # seconds that the address of a cluster may take to answer
WRITE_SECONDS = 30.0  # after which what is found is written down, however little it is


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Where the work is done.

    Attributes:
        address: Of a Ray cluster, such as `auto` or `ray://host:10001`; None: processes of this machine.
        actors: How many work at once; as many as there are cores for, if not given.
        cores: Of each.
    """

    address: str | None = None
    actors: int | None = None
    cores: int = 1


def gather(
    part: Part,
    results: Iterable[Columns],
    write: Callable[[Columns], None] | None = None,
    *,
    total: int | None = None,
    callback: Callback | None = None,
) -> None:
    """Write down what comes, some of it at a time.

    Args:
        part: Where to.
        results: Columns with a `name`.
        write: What is done with each of them, if they are not put together.
        total: How many rows there will be, if that is known.
        callback: Callback that is told the progress.
    """
    report, waiting, rows, since = Reporter(callback), list[Columns](), 0, time.monotonic()
    done = len(part.done())
    for columns in results:
        count = len(names_in(columns))
        done, rows = done + count, rows + count
        if write is not None:
            write(columns)
        else:
            waiting.append(columns)
            if rows >= MOST_ROWS or time.monotonic() - since > WRITE_SECONDS:
                part.write(joined(waiting))
                waiting, rows, since = [], 0, time.monotonic()
        if total is None:
            report(0.0, f"{done:,} done")
        else:
            report.amount(done, total, "done")
    if waiting:
        part.write(joined(waiting))


def mapped(
    reading: Reading, call: Call, cluster: Cluster, done: frozenset[str] = frozenset()
) -> Generator[Columns, None, None]:
    """What a callable gives of all rows of a source, in any order.

    Args:
        reading: The source.
        call: What is mapped over its batches; it is sent to each actor once.
        cluster: Where.
        done: Names of rows that are left out.

    Raises:
        ConfigError: If Ray is not installed, or no cluster answers.
    """
    ray = _ray()
    if not reading.pieces:
        return
    with _joined(ray, cluster):
        import pyarrow

        actors = cluster.actors or max(1, int(ray.cluster_resources().get("CPU", 1)) // cluster.cores)
        pieces = reading.split(actors)
        rows = ray.data.from_arrow([pyarrow.table({"piece": [pickle.dumps(piece)]}) for piece in pieces])
        kind: dict[str, Any] = {"batch_size": 1, "batch_format": "pyarrow"}
        arguments = {"fn_constructor_args": (call, done, cluster.cores), "num_cpus": cluster.cores}
        pool = ray.data.ActorPoolStrategy(size=min(actors, len(pieces)))
        found = rows.map_batches(_Apply, compute=pool, **arguments, **kind)
        try:
            for table in found.iter_batches(**kind):
                yield pickle.loads(table["columns"][0].as_py())
        except ray.exceptions.RayError as error:
            raise _cause(error) from error


class _Apply:
    """A callable in its actor."""

    def __init__(self, call: Call, done: frozenset[str], cores: int) -> None:
        torch.set_num_threads(cores)
        keep_freed_memory()
        self.call, self.done = call, done

    def __call__(self, table: Any) -> Iterator[Any]:
        import pyarrow

        for columns in applied(pickle.loads(table["piece"][0].as_py()), self.call, self.done):
            yield pyarrow.table({"columns": [pickle.dumps(columns)]})


def applied(piece: Piece, call: Call, done: frozenset[str] = frozenset()) -> Iterator[Columns]:
    """What a callable gives of the rows of a piece that are not done; a batch is read while one is worked on."""
    batches = piece.batches()
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = reader.submit(next, batches, None)
            left = [row for row, name in enumerate(batch["name"]) if str(name) not in done]
            if left:
                yield from call({key: [values[row] for row in left] for key, values in batch.items()})


def _ray() -> Any:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError("engine ray needs the ray package: pip install 'pixelrnn[ray]'") from error
    return ray


@contextlib.contextmanager
def _joined(ray: Any, cluster: Cluster) -> Iterator[None]:
    """A process of a cluster: of one that is there, or of one on this machine for as long as the work lasts."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"address": "local", "log_to_driver": False, "logging_level": "ERROR"}
    if cluster.address is None:
        cores = max(usable_cores(), (cluster.actors or 1) * cluster.cores)
        options |= {"num_cpus": cores, "include_dashboard": False}
    else:
        _require_answer(cluster.address)
        options["address"] = cluster.address
    try:
        with _silent():
            ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"no Ray cluster at {cluster.address or 'this machine'} ({reason:.300})") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without what libraries print on standard error past Python: how they were told to be silent, say."""
    held = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(held, 2)
        os.close(held)


def _require_answer(address: str) -> None:
    """Refuse an address where nothing listens, for which Ray would wait for minutes."""
    found = re.fullmatch(r"(?:ray://)?\[?([^/\]]+)\]?:([0-9]+)", address)
    if found is None:
        if address == "auto":
            return
        raise ConfigError(f"address is {address!r}; auto, host:port or ray://host:port are allowed")
    try:
        socket.create_connection((found[1], int(found[2])), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"no Ray cluster answers at {address} ({error})") from error


def _cause(error: BaseException) -> BaseException:
    """What a worker found wrong, if it is something that a user can mend."""
    seen: BaseException | None = error
    while (seen := getattr(seen, "cause", None) or getattr(seen, "__cause__", None)) is not None:
        if isinstance(seen, PixelRNNError):
            return seen
    return error
