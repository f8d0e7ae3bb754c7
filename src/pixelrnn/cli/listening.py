"""Where a server listens."""

import signal
import socket

from pixelrnn.errors import ConfigError

__all__ = ["ENDING", "HERE", "USUAL", "address_of", "listen", "require_port"]

ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
HERE, ANYWHERE, USUAL = "127.0.0.1", ("0.0.0.0", "::"), 80


def require_port(port: int) -> None:
    """Check a port; raises `ConfigError` if there can be none of that number."""
    if not 0 <= port < 2**16:
        raise ConfigError(f"--port is {port}; 0 .. {2**16 - 1} is allowed")


def listen(host: str, port: int) -> socket.socket:
    """A socket at an address; raises `ConfigError` if it cannot be had."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)  # who comes before the server is up waits
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"cannot listen at {host}, port {port} ({error.strerror or error}); choose another by --port"
        ) from error
    return listening


def address_of(host: str, port: int) -> str:
    """The address that others reach it at."""
    name = socket.gethostname() if host in ANYWHERE else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/"
