"""The errors that a user can cause, each a sentence: what, where, and what is allowed.

Every class here is a `ValueError`, so library users catch what they expect; the command line prints
the sentence alone and exits with 2. Invariants of our own code are `assert`, never one of these.
"""

__all__ = [
    "ArchiveError",
    "ConfigError",
    "DataError",
    "EmptyError",
    "PixelRNNError",
    "RunError",
    "RunExistsError",
    "SizesError",
]


class PixelRNNError(ValueError):
    """Base of all errors that a user can cause; the message is one complete sentence."""


class ConfigError(PixelRNNError):
    """A setting has a value that is not allowed; the message names the field, the value and the remedy."""


class DataError(PixelRNNError):
    """A source or an array of images cannot be used; the message says which and why."""


class EmptyError(DataError):
    """A source, or a part of it, holds no image that can be read; `skipped` says why, file by file."""

    def __init__(self, said: str, skipped: tuple[str, ...] = ()) -> None:
        super().__init__(said, skipped)  # as given: so that it can be pickled
        self.said, self.skipped = said, skipped

    def __str__(self) -> str:
        return self.said


class SizesError(DataError):
    """Images that must have one size have several; `what` says so without the advice."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what, advice)  # as given: so that it can be pickled
        self.what, self.advice = what, advice

    def __str__(self) -> str:
        return f"{self.what}; {self.advice}"


class RunError(PixelRNNError):
    """A run folder cannot be read, written or continued; the message names the folder and the remedy."""


class RunExistsError(RunError):
    """A new run was to be made where something is already."""


class ArchiveError(PixelRNNError):
    """A compressed file cannot be made, read or restored; the message says which and why."""
