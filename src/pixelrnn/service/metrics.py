"""What is counted of a service, as Prometheus reads it."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counts of one service.

    Args:
        waiting: Gives the number of pictures that wait.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = own = CollectorRegistry()
        self.requests = Counter("pixelrnn_requests", "Requests", ["path", "status"], registry=own)
        self.seconds = Histogram("pixelrnn_request_seconds", "Of a request", ["path"], buckets=SECONDS, registry=own)
        self.batches = Histogram("pixelrnn_batch_pictures", "Pictures scored together", buckets=SIZES, registry=own)
        self.unusable = Counter("pixelrnn_unusable_pictures", "Pictures that could not be used", registry=own)
        Gauge("pixelrnn_waiting_pictures", "Pictures that wait", registry=own).set_function(waiting)

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
