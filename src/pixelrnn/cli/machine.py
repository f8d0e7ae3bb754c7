"""Where the work is done: settings of the machine, never part of a recorded run."""

import dataclasses
import os
import re
from typing import TYPE_CHECKING

from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = ["Machine", "Processor"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Processor:
    """Settings of the processor, for what is done there in any case: the walk through the pixels of an image."""

    threads: int | None = None
    """Threads of the CPU; torch's choice if not given. The last bits of trained weights and of likelihoods depend on
    it; samples and what comes out of archives do not."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"threads is {self.threads}; at least 1 is needed")

    def prepare(self) -> "torch.device":
        """Set the threads."""
        import torch

        from pixelrnn.kernels.memory import keep_freed_memory

        keep_freed_memory()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return torch.device("cpu")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine(Processor):
    """Settings of the machine."""

    device: str = "auto"
    """cpu, cuda, cuda:N or mps; auto takes the first of cuda, mps, cpu that is there."""

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        super().__post_init__()
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device):
            raise ConfigError(f"device is {self.device!r}; auto, cpu, cuda, cuda:N or mps are allowed")

    def prepare(self) -> "torch.device":
        """Set the threads and find the device; of several processes each takes the CUDA device of its number."""
        import torch

        super().prepare()
        name = self.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        if name == "cuda":
            name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
            if device.type == "cuda":
                torch.cuda.set_device(device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ConfigError(f"device {name} is not there; try --device cpu") from error
        return device
