"""`pixelrnn studio`."""

import dataclasses
import importlib.util
import secrets
import signal
import sys
import threading
import webbrowser
from pathlib import Path

from pixelrnn import zoo
from pixelrnn.cli.console import say
from pixelrnn.cli.listening import ENDING, HERE, USUAL, address_of, listen, require_port
from pixelrnn.cli.machine import Processor
from pixelrnn.cli.model_folder import require_model
from pixelrnn.config.names import RUNS
from pixelrnn.errors import ConfigError
from pixelrnn.zoo import hub

__all__ = ["StudioCommand"]


def _name(model: str) -> str:
    """What a model is called: as on the hub, or as its folder."""
    return model if hub.is_there(model) else Path(model).resolve().name


def _open(address: str) -> None:
    if not webbrowser.open(address):
        say("no browser could be opened; open the address in one")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudioCommand:
    """Open a local page for all models: watch them draw, ask what they expect of a value, and change it.

    Examples:
        pixelrnn studio
        pixelrnn studio --runs runs/ --folders photos/ parts/ --port 0 --no-browser

    The page is served on this machine alone, to itself, and asks no other machine for anything. Ctrl-C ends it.
    """

    runs: Path = Path(RUNS)
    """Folder of runs, whose models are shown beside the shipped ones."""

    folders: tuple[Path, ...] = ()
    """Folders whose pictures the page may see, beside those that are brought to it."""

    models: tuple[str, ...] = ()
    """Further models: folders, or hf:owner/name, which is fetched."""

    port: int = 7860
    """Port; 0 for any that is free."""

    host: str = HERE
    """Address to listen at. At any other than 127.0.0.1 the page asks for a token, which is printed."""

    browser: bool = True
    """Open the page in a browser."""

    processor: Processor = dataclasses.field(default_factory=Processor)

    def __post_init__(self) -> None:
        """Check what can be checked without torch."""
        require_port(self.port)
        for model in self.models:
            require_model(model)
        names = [_name(model) for model in self.models]
        if len({*names, *zoo.names()}) < len(names) + len(zoo.names()):
            raise ConfigError(f"--models gives {', '.join(names)}; each needs a name of its own, not a shipped one")
        for folder in self.folders:
            if not folder.is_dir():
                raise ConfigError(f"--folders names {folder}, which is no folder")
        if self.runs.exists() and not self.runs.is_dir():
            raise ConfigError(f"--runs is {self.runs}, which is no folder")
        for name in ("starlette", "uvicorn"):
            if importlib.util.find_spec(name) is None:
                raise ConfigError(f"the studio needs {name}; install it with: pip install 'pixelrnn[studio]'")

    def run(self) -> int:
        """Serve until Ctrl-C."""
        import uvicorn

        listening = listen(self.host, self.port)
        self.processor.prepare()
        from pixelrnn.studio.server import Studio

        port = listening.getsockname()[1]
        token = None if self.host == HERE else secrets.token_urlsafe(18)
        address = address_of(self.host, port) + ("" if token is None else f"?token={token}")
        names = {HERE, "localhost"}  # of which browsers leave out the port where it is the usual one
        models = {_name(model): zoo.find(model) for model in self.models}
        studio = Studio(self.runs, self.folders, models)
        app = studio.app({f"{name}:{port}" for name in names} | (names if port == USUAL else set()), token)
        say(f"the studio is at {address}  (Ctrl-C ends it)")
        if self.browser:  # one in the terminal stays until it is closed
            threading.Thread(target=_open, args=(address,), daemon=True).start()
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        for number in ENDING:  # after these too what goes on is ended in good order
            signal.signal(number, lambda *_: sys.exit(0))
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            if going := studio.trainers.names:
                say(f"stopping and saving {', '.join(going)} ...")
            studio.trainers.close()
        return 0
