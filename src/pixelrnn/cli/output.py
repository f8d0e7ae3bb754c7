"""Where a command writes: nothing of others is replaced, and nothing of an earlier call is left beside what is new."""

import dataclasses
import os
import re
import tempfile
from pathlib import Path

from pixelrnn.errors import ConfigError

__all__ = ["OutputFolder", "require_file", "require_writable"]


@dataclasses.dataclass(frozen=True)
class OutputFolder:
    """A folder for the files of a command.

    Attributes:
        path: Where it is.
        pattern: Regular expression of the names that the command gives its files.
        may_replace: Whether files of earlier calls may be replaced: in a folder that the command has for itself, or if
            the user says so.
    """

    path: Path
    pattern: str
    may_replace: bool

    @classmethod
    def choose(
        cls, given: Path | None, usual: Path, pattern: str, *, overwrite: bool, option: str = "--out"
    ) -> "OutputFolder":
        """The folder that is given by an option, or else the usual one; to be called before the work.

        Raises:
            ConfigError: If it is no folder, or holds something that would be replaced, or mixed with what is new.
        """
        folder = cls(given or usual, pattern, overwrite or given is None)
        earlier = folder._earlier(option, may_have_others=overwrite)
        require_writable(folder.path, option)
        if earlier and not folder.may_replace:
            raise ConfigError(
                f"{folder.path} holds what an earlier call wrote ({earlier[0].name}); choose another folder with "
                f"{option}, or give --overwrite"
            )
        return folder

    @classmethod
    def go_on(cls, path: Path, pattern: str, option: str = "--out") -> "OutputFolder":
        """The folder of an earlier call, to which this one adds; errors as by `choose`."""
        folder = cls(path, pattern, may_replace=False)
        folder._earlier(option, may_have_others=False)
        return folder

    def clear(self) -> Path:
        """Remove what an earlier call wrote; returns the path."""
        for path in self._content()[0] if self.may_replace else ():
            path.unlink()
        return self.path

    def _earlier(self, option: str, *, may_have_others: bool) -> list[Path]:
        """What an earlier call wrote."""
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"{self.path} is no folder; choose another name with {option}")
        earlier, others = self._content()
        if others and not may_have_others:
            raise ConfigError(
                f"{self.path} holds files of others ({others[0].name}); choose another folder with {option}, or give "
                "--overwrite, which leaves them there"
            )
        return earlier

    def _content(self) -> tuple[list[Path], list[Path]]:
        """Files with names as the command gives them, and all others."""
        entries = sorted(self.path.iterdir()) if self.path.is_dir() else []
        is_ours = [entry.is_file() and bool(re.fullmatch(self.pattern, entry.name)) for entry in entries]
        earlier = [entry for entry, ours in zip(entries, is_ours, strict=True) if ours]
        return earlier, [entry for entry, ours in zip(entries, is_ours, strict=True) if not ours]


def require_file(option: str, path: Path | None, *suffixes: str, overwrite: bool) -> None:
    """Check the name of a file that a command writes.

    Raises:
        ConfigError: If it does not end as such files do, or is there and may not be replaced.
    """
    if path is None:
        return
    if path.suffix.lower() not in suffixes or path.is_dir():
        raise ConfigError(f"{option} is {path}; it names a file that ends in {' or '.join(suffixes)}")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists; choose another name with {option}, or give --overwrite")
    require_writable(path, option)


def require_writable(path: Path, option: str) -> None:
    """Check, before the work, that something can be written under a name; raises `ConfigError` if not."""
    folder = path if path.is_dir() else path.parent
    while not folder.exists() and folder != folder.parent:  # what is missing is made
        folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        reason = error.strerror if os.access(folder, os.W_OK) else "no permission"
        raise ConfigError(f"{path} cannot be written ({reason}); choose another name with {option}") from error
