"""Training steps on a CUDA device, operation by operation and as CUDA graphs; and what the networks alone take.

    python benchmarks/gpu.py mnist_binarized.npz

What it gave is in docs/performance.md.
"""

import statistics
import time

import torch
import tyro

from pixelrnn import ModelConfig, TrainConfig, build_model, load_data
from pixelrnn.data import Data
from pixelrnn.train import fit
from pixelrnn.train.networks import recorded

MODELS = {
    "PixelCNN, 24 layers, h=32": {"architecture": "pixelcnn", "layers": 24, "hidden": 32},
    "PixelCNN, 24 layers, h=64": {"architecture": "pixelcnn", "layers": 24, "hidden": 64},
    "Row LSTM, 12 layers, h=24": {"architecture": "row-lstm", "layers": 12, "hidden": 24},
    "Row LSTM, 12 layers, h=32": {"architecture": "row-lstm", "layers": 12, "hidden": 32},
    "Diagonal BiLSTM, 7 layers, h=16": {"hidden": 16},
    "Diagonal BiLSTM, 7 layers, h=32": {"hidden": 32},
    "Diagonal BiLSTM, 7 layers, h=48": {"hidden": 48},
}
WARM, STEPS = 10, 40


def main(source: tyro.conf.Positional[str], batch: int = 128) -> None:
    """Measure and print, milliseconds.

    Args:
        source: Binarised MNIST, packed.
        batch: Images of a step.
    """
    data = load_data(source, packed=(28, 28))
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, batches of {batch}, bfloat16")
    for name, fields in MODELS.items():
        config = ModelConfig(**data.model_fields, **fields)
        times = [step_time(config, data, batch, cuda_graph=cuda_graph) for cuda_graph in (False, True)]
        network = network_time(config, data, batch)
        print(f"{name}: step {times[0]:.1f}, recorded {times[1]:.1f}; its network alone, recorded {network:.1f}")


def step_time(config: ModelConfig, data: Data, batch: int, *, cuda_graph: bool) -> float:
    """Median time of a training step, after some to warm up."""
    ends: list[float] = []
    train = TrainConfig(steps=STEPS, batch=batch, precision="bfloat16", samples=0, evaluations=1, valid_images=1)
    model = build_model(config, seed=0).cuda()
    fit(model, data, train, cuda_graph=cuda_graph, callback=lambda _: ends.append(time.perf_counter()))
    # The last step validates as well.
    return 1e3 * statistics.median(b - a for a, b in zip(ends[WARM:-2], ends[WARM + 1 : -1], strict=True))


def network_time(config: ModelConfig, data: Data, batch: int) -> float:
    """Time on the device of a pass of the network forward and backward, its mean over ten."""
    model = build_model(config, seed=0).cuda().train()
    x = data.train.batch(range(batch)).cuda()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    with recorded(model):
        for number in range(WARM + 10):
            if number == WARM:
                begin.record()
            model.zero_grad()
            with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
                nats = -model.log_prob(x).sum()
            nats.backward()
        end.record()
        torch.cuda.synchronize()
    return begin.elapsed_time(end) / 10


if __name__ == "__main__":
    tyro.cli(main)
