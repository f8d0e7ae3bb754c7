"""Does training end well, whatever the seed? A PixelRNN and a small GAN on the same images, in the same time.

    python benchmarks/stability.py mnist.npz --minutes 1.5 --out benchmarks/out

Each seed trains a Diagonal BiLSTM by likelihood and a DCGAN (Radford et al. 2016, with two convolutions on each side)
by the usual game, both on digits of 14x14 pixels (every second one) and 4 grey levels, and draws 2,000 images: small,
so that both get somewhere in minutes on one core. They are measured by a classifier
that was trained on the same images: the Frechet distance of its features from those of test images, as FID measures
(Heusel et al. 2017), and how many of the ten classes are less than 1% of what is drawn.

The minutes become steps by the speed of a first quarter of a minute of each kind, so that all seeds of a kind are
trained alike, whatever else the machine has to do. What is in the folder already is not measured or drawn again.
"""

import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import tyro
from matplotlib.figure import Figure
from torch import Tensor, nn

import pixelrnn
from pixelrnn.plots import grid, save_image
from pixelrnn.runs.files import read_tensors, write_json, write_tensors

SIDE, LEVELS, CLASSES, LATENT, BATCH = 14, 4, 10, 64, 64
SAMPLES, SHOWN = 2_000, 12
FIRST = 0.25  # minutes in which the speed is measured
LOST = 0.01  # share of a class below which it counts as lost


class Classifier(nn.Module):
    """Digits to features and scores of the classes."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(1, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2, 2), nn.ReLU(), nn.Flatten()]
        self.features = nn.Sequential(*layers, nn.Linear(32 * 16, 64), nn.ReLU())
        self.last = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the classes, `(N, 10)`."""
        return self.last(self.features(x))


def scaled(images: Tensor) -> Tensor:
    """Levels to -1 .. 1."""
    return images.float() / (LEVELS - 1) * 2 - 1


def batches(images: Tensor, random: np.random.Generator, passes: int | None = None):
    """Places of images, for ever or for so many passes."""
    done = 0
    while passes is None or done < passes:
        yield from torch.from_numpy(random.permutation(len(images))).split(BATCH)
        done += 1


def train_classifier(images: Tensor, labels: Tensor) -> Classifier:
    """Two passes."""
    torch.manual_seed(0)
    model = Classifier()
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for places in batches(images, np.random.default_rng(0), passes=2):
        optimiser.zero_grad()
        F.cross_entropy(model(scaled(images[places])), labels[places]).backward()
        optimiser.step()
    return model.eval()


def train_pixelrnn(data: pixelrnn.Data, seed: int, **budget: float) -> tuple[int, Tensor]:
    """Steps of a Diagonal BiLSTM, and its samples."""
    config = pixelrnn.ModelConfig(shape=(1, SIDE, SIDE), levels=LEVELS, layers=5, hidden=16)
    model = pixelrnn.build_model(config, seed=seed)
    run = pixelrnn.fit(model, data, pixelrnn.TrainConfig(**budget, seed=seed, samples=0, evaluations=4))
    return run.step, model.sample(SAMPLES, seed=seed)


def train_gan(data: pixelrnn.Data, seed: int, minutes: float = np.inf, steps: float = np.inf) -> tuple[int, Tensor]:
    """Steps of a DCGAN, and its samples: learning rates, momentum and first weights are those of its paper."""
    torch.manual_seed(seed)
    twice = {"kernel_size": 4, "stride": 2, "padding": 1}
    same = {"kernel_size": 3, "padding": 1}
    generator = nn.Sequential(
        nn.Linear(LATENT, 64 * 49), nn.Unflatten(1, (64, 7, 7)), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, **twice), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 1, **same), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 32, **same), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, **twice), nn.BatchNorm2d(64), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(64 * 49, 1),
    )  # fmt: skip
    for layer in (*generator, *discriminator):
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0, 0.02)
    rules = [torch.optim.Adam(each.parameters(), 2e-4, betas=(0.5, 0.999)) for each in (generator, discriminator)]
    images, end = data.train.batch(range(len(data.train))), time.perf_counter() + 60 * minutes
    for step, places in enumerate(batches(images, np.random.default_rng(seed))):
        if step >= steps or time.perf_counter() > end:
            break
        fake = generator(torch.randn(len(places), LATENT))
        real_score, fake_score = discriminator(scaled(images[places])), discriminator(fake.detach())
        rules[1].zero_grad()
        (F.softplus(-real_score) + F.softplus(fake_score)).mean().backward()
        rules[1].step()
        rules[0].zero_grad()
        F.softplus(-discriminator(fake)).mean().backward()
        rules[0].step()
    generator.eval()
    with torch.no_grad():
        drawn = generator(torch.randn(SAMPLES, LATENT))
    return step, ((drawn + 1) / 2 * (LEVELS - 1)).round().to(torch.uint8)


class Judge:
    """Measures samples by the features of a classifier that was trained on the same images."""

    def __init__(self, source: str) -> None:
        labelled = pixelrnn.load_data(source, levels=LEVELS, subsample=2, labels=True)
        train, test = (each.examples(range(len(each))) for each in (labelled.train, labelled.test))
        self.classifier = train_classifier(train.images, train.label)
        found, self.real = self._look(test.images)
        self.accuracy = float((found == test.label).double().mean())
        self.floor = self.measure(train.images[:SAMPLES])[0]

    def measure(self, images: Tensor) -> tuple[float, list[float]]:
        """Frechet distance from the test images, and the share of each class."""
        found, features = self._look(images)
        shares = torch.bincount(found, minlength=CLASSES) / len(images)
        return frechet(features, self.real), shares.tolist()

    @torch.no_grad()
    def _look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = scaled(images)
        return self.classifier(x).argmax(1), self.classifier.features(x)


def frechet(one: Tensor, other: Tensor) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of two sets of features."""
    one, other = one.double(), other.double()
    first, second = torch.cov(one.T), torch.cov(other.T)
    root = torch.linalg.eigvals(first @ second).sqrt().real.sum()
    distance = (one.mean(0) - other.mean(0)).square().sum() + first.trace() + second.trace() - 2 * root
    return float(distance)


KINDS = {"PixelRNN": train_pixelrnn, "GAN": train_gan}


def steps_in(data: pixelrnn.Data, minutes: float, file: Path) -> dict[str, int]:
    """How many steps each kind makes in so many minutes, measured once."""
    if not file.exists():
        steps = {}
        for name, train in KINDS.items():
            train(data, 0, minutes=0.01)  # compiles
            steps[name] = round(train(data, 0, minutes=FIRST)[0] * minutes / FIRST)
        write_json(file, steps)
    return json.loads(file.read_text())


def samples_of(name: str, data: pixelrnn.Data, seed: int, steps: int, out: Path) -> Tensor:
    """Samples of one training, drawn once."""
    file = out / f"stability-{name}-{steps}-{seed}.safetensors"
    if not file.exists():
        write_tensors(file, {"images": KINDS[name](data, seed, steps=steps)[1]})
    return read_tensors(file)[0]["images"]


def draw(found: dict[str, list[dict]], floor: float, minutes: float, path: Path) -> None:
    """A point for each seed, and the shares of the classes."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for place, (name, runs) in enumerate(found.items()):
        left.plot([run["distance"] for run in runs], [place] * len(runs), "o", alpha=0.7)
        shares = np.array([run["shares"] for run in runs])
        for offset, row in enumerate(shares):
            at = np.arange(CLASSES) + 0.35 * place - 0.17 + 0.04 * (offset - len(shares) / 2)
            right.plot(at, row, "o", color=f"C{place}", markersize=3, label=name if offset == 0 else None)
    left.axvline(floor, color="grey", linestyle=":", label="training images")
    left.set(xlabel="Frechet distance from test images", yticks=range(len(found)), xlim=(0, None))
    left.set_yticklabels(list(found))
    left.set(ylim=(-0.6, len(found) - 0.4), title=f"{len(runs)} seeds, {minutes:g} minutes each")
    left.legend(loc="lower right")
    right.axhline(LOST, color="grey", linestyle=":")
    right.set(xlabel="class", ylabel="share of the samples", xticks=range(CLASSES), ylim=(0, None))
    right.legend(loc="upper center", bbox_to_anchor=(0.5, 1.12), ncols=len(found), frameon=False)
    figure.savefig(path, dpi=120)


def main(source: str, /, minutes: float = 1.5, seeds: int = 5, out: Path = Path("benchmarks/out")) -> None:
    """Train, measure, print and draw.

    Args:
        source: MNIST with labels.
        minutes: Of each training, on this machine as it is at the start.
        seeds: Of each kind.
        out: Folder to write to.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    data = pixelrnn.load_data(source, levels=LEVELS, subsample=2)
    judge = Judge(source)
    print(f"{judge.accuracy:.1%} of the test labels found; training images have distance {judge.floor:.2f}")
    steps = steps_in(data, minutes, out / f"stability-steps-{minutes:g}.json")
    print(f"steps in {minutes:g} minutes: {steps}", flush=True)
    found: dict[str, list[dict]] = {name: [] for name in KINDS}
    shown: dict[str, list[Tensor]] = {name: [] for name in KINDS}
    for seed in range(seeds):
        for name in KINDS:
            images = samples_of(name, data, seed, steps[name], out)
            distance, shares = judge.measure(images)
            lost = sum(share < LOST for share in shares)
            found[name].append({"seed": seed, "distance": distance, "lost": lost, "shares": shares})
            shown[name].append(images[:SHOWN])
            print(f"{name}, seed {seed}: distance {distance:.2f}, {lost} classes lost", flush=True)
    for name, runs in found.items():
        distances = np.array([run["distance"] for run in runs])
        print(f"{name}: {distances.mean():.2f} +- {distances.std(ddof=1):.2f}, worst {distances.max():.2f}")
        save_image(out / f"stability-{name}.png", grid(torch.cat(shown[name]), LEVELS, columns=SHOWN))
    write_json(out / "stability.json", {"steps": steps, "training_images": judge.floor, **found})
    draw(found, judge.floor, minutes, out / "stability.png")


if __name__ == "__main__":
    tyro.cli(main)
