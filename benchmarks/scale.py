"""What sharing out costs: pictures a second by Ray, by parts and by a plain pool of processes, and their memory.

    python benchmarks/scale.py make digits mnist/ pictures/ --images 200000     # 28x28, with a little noise
    python benchmarks/scale.py make patches photographs/ pictures/ --images 20000 # of photographs, of mixed sizes
    python benchmarks/scale.py compare pictures/ --model mnist-grey

All ways measure the same files, one way after the other, with as many workers of one thread. The pool is Python's: it
maps the callable that Ray's actors hold over the same pieces of the source, and is what an engine that cost nothing
would be. Whole times are told, and rates from the first result on: what comes before is loading and compiling, once.
Memory is the share of all processes of a way (PSS, and shared memory of Ray's store), sampled each second.
"""

import functools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from PIL import Image

from pixelrnn import load_data, load_model
from pixelrnn.kernels.memory import keep_freed_memory
from pixelrnn.runs.run import Run
from pixelrnn.scale.columns import Figures
from pixelrnn.scale.engine import Cluster, mapped
from pixelrnn.scale.parts import Columns
from pixelrnn.scale.reading import reading_of
from pixelrnn.scale.tables import nats_of

FOLDER = 1_000  # pictures of each
SIDES = (24, 96)  # of patches
WAYS = ("pool", "ray", "parts")
Way = Literal["pool", "ray", "parts"]


def make(what: Literal["digits", "patches"], source: str, folder: Path, /, images: int = 200_000) -> None:
    """Write pictures as PNG files."""
    random = np.random.default_rng(0)
    given = load_data(source, size=1, crop="random").whole if what == "patches" else load_data(source).whole
    for number in range(images):
        values = given.original(number % len(given.positions)).numpy()
        if what == "digits":
            values = np.where(random.random(values.shape) < 0.01, 255 - values, values)
        else:
            height, width = map(int, random.integers(*SIDES, 2))
            top, left = (
                int(random.integers(0, values.shape[1 + axis] - side)) for axis, side in ((0, height), (1, width))
            )
            values = values[:, top : top + height, left : left + width]
        path = folder / f"{number // FOLDER:04d}" / f"{number:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values[0] if len(values) == 1 else np.ascontiguousarray(np.moveaxis(values, 0, 2))).save(path)


def compare(
    pictures: Annotated[Path, tyro.conf.Positional],
    model: str = "mnist-grey",
    workers: int = 2,
    ways: tuple[Way, ...] = WAYS,
) -> None:
    """Measure all ways, and say how each compares with the pool."""
    found = {}
    for way in ways:
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, __file__, "one", way, str(pictures), "--model", model, "--workers", str(workers)]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, env={**os.environ, "XDG_CACHE_HOME": cache}
            )
            samples = []
            while process.poll() is None:
                samples.append(memory(process.pid))
                time.sleep(1)
            row = json.loads(process.stdout.read().splitlines()[-1])
        half = len(samples) // 2
        row |= {
            "peak MB": max(samples) >> 20,
            "later half's first and last MB": (samples[half] >> 20, samples[-2] >> 20),
        }
        found[way] = row
        print(way, json.dumps(row), flush=True)
    for way, row in found.items():
        first = found.get("pool", row)
        print(
            f"{way}: {row['images'] / row['seconds']:.1f} a second in all, {row['rate']:.1f} from the first result on; "
            f"{first['seconds'] / row['seconds']:.3f} and {row['rate'] / first['rate']:.3f} of the pool's"
        )


def one(
    way: Annotated[Way, tyro.conf.Positional], pictures: Annotated[Path, tyro.conf.Positional], model: str, workers: int
) -> None:
    """Measure one way, in this process and those that it starts."""
    start = time.perf_counter()
    by: dict[str, Callable[..., Iterator[tuple[int, float]]]] = {"pool": by_pool, "ray": by_ray, "parts": by_parts}
    count, total, first = 0, 0.0, None
    for images, nats in by[way](pictures, model, workers):
        first = first or (time.perf_counter(), images)
        count, total = count + images, total + nats
    end = time.perf_counter()
    rate = (count - first[1]) / (end - first[0]) if count > first[1] else 0.0
    print(json.dumps({"images": count, "nats": total / count, "seconds": end - start, "rate": rate}))


def figures(name: str) -> Figures:
    """What each worker holds: the mean likelihood, as of `evaluate`."""
    run = Run.open(name)
    return Figures(functools.partial(nats_of, [load_model(name)], batch=64, exact=False), run.model, run.data, None)


def sums(results: Iterable[Columns]) -> Iterator[tuple[int, float]]:
    """How many images there are in each result, and their nats."""
    return ((len(columns["name"]), float(columns["nats"].sum())) for columns in results)


def by_ray(pictures: Path, model: str, workers: int) -> Iterator[tuple[int, float]]:
    """By Ray's actors."""
    return sums(mapped(reading_of(str(pictures)), figures(model), Cluster(actors=workers)))


def by_pool(pictures: Path, model: str, workers: int) -> Iterator[tuple[int, float]]:
    """By processes of Python's pool."""
    with multiprocessing.get_context("spawn").Pool(workers, _begin, (model,)) as pool:
        for found in pool.imap_unordered(_work, reading_of(str(pictures)).pieces):
            yield from sums(found)


def _begin(model: str) -> None:
    global _figures
    torch.set_num_threads(1)
    keep_freed_memory()
    _figures = figures(model)


def _work(piece: Any) -> list[Columns]:
    return [columns for batch in piece.batches() for columns in _figures(batch)]


def by_parts(pictures: Path, model: str, workers: int) -> Iterator[tuple[int, float]]:
    """Parts by the command, in processes side by side; what they have written is looked for twice a second."""
    with tempfile.TemporaryDirectory() as folder:
        words = [
            sys.executable,
            "-m",
            "pixelrnn",
            "evaluate",
            model,
            str(pictures),
            "--threads",
            "1",
            "--parts",
            folder,
        ]
        started = [
            subprocess.Popen(
                [*words, "--shard", f"{number}/{workers}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            for number in range(1, workers + 1)
        ]
        seen: set[Path] = set()
        while True:
            is_done = all(process.poll() is not None for process in started)
            for path in set(Path(folder).rglob("0*.npz")) - seen:
                seen.add(path)
                with np.load(path) as columns:
                    yield len(columns["name"]), float(columns["nats"].sum())
            if is_done:
                return
            time.sleep(0.5)


def memory(process: int) -> int:
    """Bytes of a process and all that it started, by the share that each has in common pages."""
    total = 0
    for child in (process, *descendants(process)):
        try:
            lines = Path(f"/proc/{child}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
        except OSError:
            continue
    return total


def descendants(process: int) -> Iterator[int]:
    """All that a process has started, and what that has started."""
    try:
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                yield child
                yield from descendants(child)
    except OSError:
        return


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"make": make, "compare": compare, "one": one})
