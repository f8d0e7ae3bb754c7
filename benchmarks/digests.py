"""Digests of what the product computes: samples, completions, archives and short trainings, for comparing two versions.

    python benchmarks/digests.py > before.json        # of one version
    python benchmarks/digests.py --against before.json  # of another: says what differs, exit code 1

It goes by public names and the command line only, so that it runs on versions whose insides differ. Trainings are
compared on one machine only (a matrix product has other last digits elsewhere); all else is the same everywhere.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import pixelrnn
from pixelrnn import Codec, ModelConfig, TrainConfig, build_model, fit, load_data, load_model

ARCHITECTURES = ("diagonal-bilstm", "row-lstm", "pixelcnn", "gated-pixelcnn")
SHIPPED = ("mnist-diagonal-bilstm", "mnist-row-lstm", "mnist-pixelcnn", "photographs", "cifar-row-lstm")
STEPS = 12


def _digest(*parts: object) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:16]


def _trained(config: ModelConfig) -> pixelrnn.AbstractImageModel:
    """A model whose weights are none of a beginning: zeros there would hide what they multiply."""
    model = build_model(config, seed=3)
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.rand(parameter.shape, generator=random) - 0.1
    return model


def _configs() -> Iterator[tuple[str, ModelConfig]]:
    for architecture in ARCHITECTURES:
        small = {"architecture": architecture, "shape": (1, 6, 5), "layers": 2, "hidden": 6}
        yield f"{architecture} bernoulli", ModelConfig(**small, levels=2)
        yield f"{architecture} labels", ModelConfig(**small, levels=2, classes=3, label_dropout=0.1)
        yield f"{architecture} continuous", ModelConfig(**small, levels=0, mixtures=3)
        colour = small | {"shape": (3, 6, 6)}
        yield f"{architecture} softmax", ModelConfig(**colour, levels=9, skip=False)
        yield f"{architecture} logistic", ModelConfig(**colour, levels=256, output="logistic-mixture", mixtures=3)
        yield f"{architecture} context", ModelConfig(**colour, levels=5, context=(2, 3, 2), residual=False)
        yield f"{architecture} scales", ModelConfig(**(small | {"shape": (1, 8, 8)}), levels=4, scales=3)
    local = {"architecture": "local", "shape": (3, 12, 11), "layers": 1, "hidden": 8, "mixtures": 3}
    yield "local", ModelConfig(**local)
    yield "local copies", ModelConfig(**local, copies=6, grid=8, classes=2)
    yield "local adaptive", ModelConfig(**local, adaptive=True, grid=2)
    yield "local grey", ModelConfig(**(local | {"shape": (1, 12, 11)}), levels=17, head=5)
    yield "local jpeg", ModelConfig(**local, colours="jpeg")


def _given(config: ModelConfig, n: int) -> dict[str, torch.Tensor]:
    given = {}
    if config.classes:
        given["label"] = torch.arange(n) % config.classes
    if config.context is not None:
        random = torch.Generator().manual_seed(1)
        given["context"] = torch.randint(0, max(2, config.levels), (n, *config.context), generator=random)
        if config.levels == 0:
            given["context"] = given["context"].float()
    return given


def _of_model(name: str, model: pixelrnn.AbstractImageModel, n: int) -> Iterator[tuple[str, str]]:
    config = model.config
    given = _given(config, n)
    x = model.sample(n, seed=1, **given)
    yield f"{name}: sample", _digest(x.numpy())
    with torch.no_grad():
        yield f"{name}: log_prob_map", _digest(model.log_prob_map(x, **given).numpy())
    restrictions = {"top_k": 3, "top_p": 0.9} if config.levels else {}
    restricted = model.sample(n, seed=2, temperature=0.8, **restrictions, **given)
    yield f"{name}: restricted", _digest(restricted.numpy())
    known = torch.zeros(x.shape[2:], dtype=torch.bool)
    known[-2:], known[0] = True, True
    if not config.copies_context:
        completed = model.complete(x, known, particles=8, seed=1, **given)
        yield f"{name}: complete", _digest(completed.images.numpy(), completed.log_known.numpy())
    if config.levels:
        codec = Codec(model)
        yield f"{name}: encode", _digest(codec.encode(x, **given))


def _models() -> Iterator[tuple[str, str]]:
    for name, config in _configs():
        yield from _of_model(name, _trained(config), 20)
    for name in SHIPPED:
        model = load_model(name)
        size = (24, 24) if model.config.architecture == "local" else None
        x = model.sample(3, seed=1, size=size)
        yield f"{name}: sample", _digest(x.numpy())
        yield f"{name}: encode", _digest(Codec(model).encode(x))


def _trainings() -> Iterator[tuple[str, str]]:
    for name, changes in (
        *((architecture, {"architecture": architecture}) for architecture in ARCHITECTURES),
        ("labels", {"classes": 10, "label_dropout": 0.2}),
        ("scales", {"scales": 2}),
        ("local", {"architecture": "local", "copies": 2, "mixtures": 3}),
        ("adaptive", {"architecture": "local", "adaptive": True, "mixtures": 3}),
    ):
        data = load_data("digits", levels=8, labels="classes" in changes)
        config = ModelConfig(**({"shape": data.shape, "levels": 8, "layers": 2, "hidden": 8} | changes))
        for optimiser in ("muon", "adamw"):
            model = build_model(config, seed=0)
            dropout = 0.1 if config.architecture != "local" else 0.0
            run = fit(model, data, TrainConfig(steps=STEPS, samples=0, batch=16, optimiser=optimiser, dropout=dropout))
            weights = [tensor.numpy() for tensor in model.state_dict().values()]
            yield f"training {name} {optimiser}", _digest(*weights, np.float64(run.best))


def _folder(folder: Path) -> None:
    """Pictures of many modes, text, a file that is there twice, and one that is damaged."""
    random = np.random.default_rng(0)
    ramp = (np.add.outer(np.arange(40), 2 * np.arange(50)) % 256).astype(np.uint8)
    noisy = (ramp[..., None] + random.integers(0, 8, (40, 50, 3))).astype(np.uint8)
    folder.mkdir()
    (folder / "below").mkdir()
    for number in range(6):
        Image.fromarray(np.roll(noisy, number, 0)).save(folder / f"{number}.png")
    Image.fromarray(ramp).save(folder / "below" / "grey.png")
    Image.fromarray(noisy // 64 * 64).quantize(16).save(folder / "palette.png")
    Image.fromarray(noisy).save(folder / "photo.jpg", quality=80)
    Image.fromarray(noisy).save(folder / "plain.bmp")
    Image.fromarray(np.dstack([noisy, ramp])).save(folder / "opaque.png")
    (folder / "text.txt").write_text("text\n" * 20)
    (folder / "again.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "damaged.png").write_bytes((folder / "1.png").read_bytes()[:200])


def _archives() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        _folder(base / "pictures")
        for model in ("photographs", "cifar-row-lstm"):
            out = base / f"{model}.pxr"
            _run("compress", model, str(base / "pictures"), "--out", str(out))
            yield f"archive by {model}", _digest(out.read_bytes())
            _run("decompress", str(out), "--model", model, "--out", str(base / model))
            files = sorted((path for path in (base / model).rglob("*") if path.is_file()), key=str)
            yield f"restored by {model}", _digest(*(path.read_bytes() for path in files))


def _run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pixelrnn", *words], check=True, capture_output=True)


def main() -> None:
    """Print the digests as JSON, or compare them with a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="a file of digests to compare with")
    against = parser.parse_args().against
    torch.set_num_threads(1)
    found = dict([*_models(), *_archives(), *_trainings()])
    if against is None:
        print(json.dumps(found, indent=1))
        return
    before = json.loads(against.read_text(encoding="utf-8"))
    differ = sorted(name for name in {*before, *found} if before.get(name) != found.get(name))
    print(f"{len(found)} digests, {len(differ)} differ{''.join(f'{chr(10)}  {name}' for name in differ)}")
    sys.exit(bool(differ))


if __name__ == "__main__":
    main()
