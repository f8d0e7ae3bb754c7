"""What has to be the same bits everywhere, computed in one process: walks, questions of the codec, archives.

python -m tests.portability '[[1, 64]]'             # threads and images of a batch; prints JSON
python -m tests.portability '[[1, 64]]' some/folder # and writes the committed archives again
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

from pixelrnn import Codec, ImageModel, ModelConfig, Support
from pixelrnn.archive.archive import Archive
from pixelrnn.codec.palettes import pack_palettes
from pixelrnn.colours.support import build_trie
from pixelrnn.kernels.vectors import LANES
from tests.archive.golden import make
from tests.faces import ask, face_of, run_walk

GOLDEN = Path(__file__).parent / "archive" / "golden"
PAPER = ("diagonal-bilstm", "row-lstm", "pixelcnn", "gated-pixelcnn")
COUNT = 21  # images


def model_of(scale, **fields):
    """A model with uniform weights, and the generator that made them, for what else is drawn."""
    model, generator = ImageModel(ModelConfig(**fields), seed=0), np.random.default_rng(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(generator.uniform(-scale, scale, parameter.shape)))
    return model, generator


def walks(batch):
    """Values and log probabilities of every architecture and output."""
    digest = hashlib.sha256()
    for architecture in PAPER:
        for output, levels in (("bernoulli", 2), ("softmax", 9), ("logistic-mixture", 17), ("continuous-mixture", 0)):
            fields = {"architecture": architecture, "levels": levels, "output": output}
            model, generator = model_of(0.7, **fields, shape=(3, 6, 7), layers=6, hidden=7, mixtures=3)
            uniform = generator.random((COUNT, 6, 7, 3))
            values, nats = np.zeros((2, COUNT, 3, 6, 7), np.float32)
            for temperature, top_k in ((1.0, None), (0.7, 3 if levels > 2 else None)):
                run_walk(
                    face_of(model, (6, 7), temperature=temperature, top_k=top_k),
                    values,
                    uniform=lambda images, uniform=uniform: uniform[images.start : images.stop],
                    log_prob=nats,
                    batch=batch,
                )
                digest.update(values.tobytes())
                digest.update(nats.tobytes())
    return digest.hexdigest()


def conditioned(batch):
    """Values given labels and contexts."""
    digest = hashlib.sha256()
    for architecture in PAPER:
        fields = {"architecture": architecture, "levels": 9, "classes": 4, "context": (2, 3, 2)}
        model, generator = model_of(0.7, **fields, shape=(3, 6, 8), layers=3, hidden=7)
        uniform, values = generator.random((COUNT, 6, 8, 3)), np.zeros((COUNT, 3, 6, 8), np.float32)
        run_walk(
            face_of(model, (6, 8)),
            values,
            label=np.arange(COUNT) % 4,
            context=generator.uniform(-1, 1, (COUNT, 2, 3, 2)).astype(np.float32),
            uniform=lambda images, uniform=uniform: uniform[images.start : images.stop],
            batch=batch,
        )
        digest.update(values.tobytes())
    return digest.hexdigest()


def local(batch):
    """The local network: values, log probabilities, pmfs as the codec is given them; the same within supports."""
    digest = hashlib.sha256()
    for grid, copies, levels, fits in ((1, 0, 256, 1), (2, 5, 17, 0), (8, 8, 256, 1), (2, 0, 256, 2)):
        fields = {"levels": levels, "grid": grid, "copies": copies, "adaptive": fits > 0, "fits": max(1, fits)}
        model, generator = model_of(
            0.3, architecture="local", shape=(3, 9, 13), layers=2, hidden=17, mixtures=3, **fields
        )
        face, uniform = face_of(model, (9, 13)), generator.random((COUNT, 9, 13, 3))
        values, nats = np.zeros((2, COUNT, 3, 9, 13), np.float32)
        run_walk(
            face,
            values,
            uniform=lambda images, uniform=uniform: uniform[images.start : images.stop],
            log_prob=nats,
            batch=batch,
        )
        digest.update(values.tobytes())
        digest.update(nats.tobytes())

        def answer(known, pmf, images):
            digest.update(pmf.tobytes())
            return known

        ask(face, values[:5].copy(), answer)
        # Within supports of few levels, which change nothing of the third image.
        values = np.floor(values / 5) % 4
        supports = [None if image == 2 else Support.of(values[image].astype(int)) for image in range(COUNT)]
        trie = build_trie(supports)
        known = np.ones(values.shape, np.uint8)
        run_walk(face, values.copy(), support=trie, is_known=known, log_prob=nats, batch=batch)
        digest.update(nats.tobytes())
        ask(face, values[:5].copy(), answer, support=trie.of(np.arange(5)))
    digest.update(pack_palettes([support.colours for support in supports if support is not None]))
    return digest.hexdigest()


def deep(batch):
    """The same of many levels, for which there are no tables: values, log probabilities, and a stream."""
    digest = hashlib.sha256()
    fields = {"architecture": "local", "levels": 5000, "adaptive": True, "fits": 2, "copies": 3}
    model, generator = model_of(0.3, **fields, shape=(2, 9, 13), layers=2, hidden=17, mixtures=3)
    uniform, (values, nats) = generator.random((COUNT, 9, 13, 2)), np.zeros((2, COUNT, 2, 9, 13), np.float32)
    run_walk(
        face_of(model, (9, 13)),
        values,
        uniform=lambda images: uniform[images.start : images.stop],
        log_prob=nats,
        batch=batch,
    )
    digest.update(values.tobytes())
    digest.update(nats.tobytes())
    digest.update(Codec(model).encode(torch.from_numpy(values.astype(np.int64))))
    return digest.hexdigest()


def archives():
    """What the committed archives decode to: SHA-256 of names and contents, or of mode, size and pixels."""
    found = {}
    for path in sorted(GOLDEN.glob("*.pxr")):
        digest = hashlib.sha256()
        with Archive(path) as archive:
            assert len(archive.index.coded) >= 3
            model, contents = archive.model(), {}
            # One half and then the other: what is wanted together decides how it is grouped.
            numbers = range(len(archive.members))
            for part in (numbers[::2], numbers[1::2]):
                contents |= dict(archive.extract(model, part))
            for number, member in enumerate(archive.members):
                content = contents[number]
                digest.update(member.name.encode())
                if isinstance(content, bytes):
                    digest.update(content)
                else:
                    digest.update(f"{content.mode} {content.size}".encode() + content.tobytes())
                    digest.update(content.info.get("icc_profile", b""))
        found[path.name] = digest.hexdigest()
    return found


def main(settings, folder=None):
    """Print everything, for each of the settings."""
    found = {"lanes": LANES}
    for threads, batch in settings:
        torch.set_num_threads(threads)
        found[f"{threads} {batch}"] = {
            "walks": walks(batch),
            "conditioned": conditioned(batch),
            "local": local(batch),
            "deep": deep(batch),
            "archives": archives(),
        }
    if folder is not None:
        make.main(Path(folder))
    print(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), *sys.argv[2:])
