"""Where the work is done: settings of the machine, never part of a recorded run."""

import dataclasses
from typing import TYPE_CHECKING

from pixelrnn.errors import ConfigError

if TYPE_CHECKING:
    import torch

__all__ = ["Machine"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """Settings of the machine."""

    device: str = "auto"
    """cpu, cuda, cuda:N or mps; auto takes the first of cuda, mps, cpu that is there."""

    threads: int | None = None
    """Threads of the CPU; torch's choice if not given. The last bits of results depend on it."""

    def prepare(self) -> "torch.device":
        """Set the threads and find the device."""
        import torch

        if self.threads is not None:
            if self.threads < 1:
                raise ConfigError(f"threads is {self.threads}; at least 1 is needed")
            torch.set_num_threads(self.threads)
        if self.device == "auto":
            name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
            return torch.device(name)
        try:
            device = torch.device(self.device)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ConfigError(
                f"device is {self.device!r}, which is not there; cpu, cuda, cuda:N or mps are allowed"
            ) from error
        return device
