"""Commands in processes of their own that need no new start: children of this one, with everything imported."""

import os
import signal
import sys
import tempfile
import time
import traceback

from pixelrnn.__main__ import main

__all__ = ["Child", "free_port"]


class Child:
    """A command that runs in a fork, with what `subprocess.Popen` has of it.

    Args:
        arguments: Arguments of the program.
        environment: Variables that the child has besides.
        folder: Folder that it works in.
        forgotten: Packages that it imports anew.
    """

    def __init__(self, arguments, *, environment=None, folder=None, forgotten=()):
        self.returncode, self._said = None, []
        self._files = [tempfile.TemporaryFile("w+", encoding="utf-8") for _ in range(2)]
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._run([str(each) for each in arguments], environment or {}, folder, forgotten)

    def _run(self, arguments, environment, folder, forgotten):
        """The child: it never comes back."""
        code = 1
        try:
            for number, file in enumerate(self._files, 1):
                os.dup2(file.fileno(), number)
            sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))
            _consoles()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            os.environ.update(environment)
            if folder is not None:
                os.chdir(folder)
            for name in [name for name in sys.modules if name.split(".")[0] in forgotten]:
                del sys.modules[name]
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def poll(self):
        """The exit code, once it has ended."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, number):
        """Send a signal."""
        os.kill(self.pid, number)

    def communicate(self, timeout=None):
        """What it printed, once it has ended."""
        end = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if end is not None and time.monotonic() > end:
                self.send_signal(signal.SIGKILL)
                raise TimeoutError
            time.sleep(0.005)
        while self._files:
            with self._files.pop(0) as file:
                file.seek(0)
                self._said.append(file.read())
        return tuple(self._said)


def _consoles():
    """Let the command line's consoles write where standard output and error are now."""
    from rich.console import Console

    from pixelrnn.cli import console

    for name, is_error in (("_out", False), ("_err", True)):
        options = {"highlight": False, "soft_wrap": True, "markup": False, "emoji": False}
        setattr(console, name, Console(**options, stderr=is_error))


def free_port():
    """A port on which processes can find each other."""
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
