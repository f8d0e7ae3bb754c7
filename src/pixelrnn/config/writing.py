"""How an archive is written."""

import dataclasses

__all__ = ["Writing"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Writing:
    """How an archive is written."""

    verify: bool = True
    """Decode everything again, and see that it is the same, before the archive is there."""

    skip_bad: bool = False
    """Leave out and list files that cannot be read, instead of stopping at the first."""

    keep_metadata: bool = False
    """Keep a file as it is wherever anything beside its pixels would be lost."""

    overwrite: bool = False
    """Replace an archive that exists, and what is drawn beside it."""
