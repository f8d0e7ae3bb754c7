"""`pixelrnn serve`."""

import contextlib
import dataclasses
import importlib.util
import logging
import os
import secrets
import signal
import socket
from typing import TYPE_CHECKING

import tyro

from pixelrnn.cli.console import progress, say
from pixelrnn.cli.listening import ENDING, HERE, USUAL, address_of, listen, require_port
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.model_folder import ModelFolder, open_run, require_model
from pixelrnn.cli.score import Method
from pixelrnn.config import require_source
from pixelrnn.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pixelrnn.scores.comparison import Comparison

__all__ = ["Serve"]

TOKEN = "PIXELRNN_TOKEN"
NEEDED = {"starlette": "starlette", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}
NEEDED |= {"prometheus_client": "prometheus-client"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Serve:
    """Serve a model over HTTP: scores, maps, archives, completions and samples for other programs.

    Examples:
        pixelrnn serve runs/photos --usual photos/valid
        curl --data-binary @new.png http://127.0.0.1:8000/v1/score
        curl -F a=@a.png -F b=@b.png http://127.0.0.1:8000/v1/compress --output both.pxr
        curl http://127.0.0.1:8000/openapi.json

    Pictures of requests that come at the same time are scored together. Ctrl-C, or SIGTERM, ends it in good order: what
    was asked is answered, nothing new is taken.
    """

    run_folder: tyro.conf.Positional[ModelFolder]
    """Run or model folder, name of a shipped model, or hf:owner/name."""

    method: Method = "auto"
    """How unusual pictures are told, as by score."""

    usual: str | None = None
    """Images that are usual, if not the validation images of the run."""

    without_labels: bool = False
    """Compare with usual images without their labels, with a model that was trained with --label-dropout."""

    port: int = 8000
    """Port; 0 for any that is free."""

    host: str = HERE
    """Address to listen at. At any other than 127.0.0.1 requests need a token, as `Authorization: Bearer TOKEN`: that
    of the environment variable PIXELRNN_TOKEN, or one that is printed."""

    grace: int = 30
    """Seconds that are left, at the end, to what was asked before."""

    processor: Processor = dataclasses.field(default_factory=Processor)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_model(self.run_folder)
        require_port(self.port)
        if self.usual is not None:
            require_source(self.usual)
        if self.method == "ratio":
            raise ConfigError("--method ratio needs a background model, which a service has not")
        if self.grace < 0:
            raise ConfigError(f"grace is {self.grace}; 0 or more is allowed")
        for module, name in NEEDED.items():
            if importlib.util.find_spec(module) is None:
                raise ConfigError(f"the service needs {name}; install it with: pip install 'pixelrnn[serve]'")

    def run(self) -> int:
        """Serve until Ctrl-C."""
        with listen(self.host, self.port) as listening:
            self._serve(listening)
        say("ended")
        return 0

    def _serve(self, listening: socket.socket) -> None:
        import uvicorn

        self.processor.prepare()
        from pixelrnn.scale.scorer import Scorer
        from pixelrnn.service.server import Service
        from pixelrnn.service.work import Worker

        run = open_run(self.run_folder)
        port = listening.getsockname()[1]
        worker = Worker(Scorer(self.run_folder, self._comparison()), run)
        say("compiling what is not compiled yet", is_aside=True)
        worker.warm()
        service = Service(worker, run.name)
        token = os.environ.get(TOKEN) or (None if self.host == HERE else secrets.token_urlsafe(18))
        names = {HERE, "localhost"}
        app = service.app({f"{name}:{port}" for name in names} | (names if port == USUAL else set()), token)
        say(f"{run.name} is served at {address_of(self.host, port)}  (Ctrl-C ends it)")
        if token is not None and not os.environ.get(TOKEN):
            say(f"the token is {token}")
        logging.getLogger("python_multipart").setLevel(logging.ERROR)  # who asks is told what is wrong
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=self.grace)
        for number in ENDING:  # the server sends itself again, in the end, what ended it
            signal.signal(number, lambda *_: None)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
        service.close()

    def _comparison(self) -> "Comparison | None":
        """Beside what pictures are unusual; None if nothing is there to compare with."""
        from pixelrnn.app.images import load_as_trained
        from pixelrnn.cli.model_folder import open_model
        from pixelrnn.scores.comparison import Comparison

        run, model = open_run(self.run_folder), open_model(self.run_folder)
        if self.usual is None and run.source is None:
            say("scores and p-values are left out (--usual names the images that are usual)", is_aside=True)
            return None
        try:
            loaded = load_as_trained(run, self.usual, are_whole=True, labels=False if self.without_labels else None)
        except (ConfigError, DataError) as error:
            if self.usual is not None:
                raise
            say(f"{error}; scores and p-values are left out (--usual names usual images)", is_aside=True)
            return None
        usual = loaded.data.valid if loaded.is_own else loaded.data.whole
        with progress("scoring usual images") as report:
            return Comparison(model, self.method).fit(usual, report)
