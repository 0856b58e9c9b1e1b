"""What the ledger keeps of an applied migration's files.

Their checksums, to tell what was edited since; and the rollback itself, compressed, to
undo the migration where the checkout does not have the file any more.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from typing import NamedTuple


class AppliedFiles(NamedTuple):
    """See above; what is empty is not recorded.

    ``checksum`` is of the SQL file, ``module_checksum`` of the revision module.
    """

    checksum: str
    rollback_checksum: str = ""
    module_checksum: str = ""
    rollback: str = ""


NONE = AppliedFiles("")


def compressed(rollback: bytes) -> str:
    """Return a rollback's bytes as the ledger keeps them."""
    return b64encode(zlib.compress(rollback)).decode("ascii")


def expanded(text: str) -> bytes:
    """Return what ``compressed`` was given; ValueError where ``text`` is not its."""
    try:
        return zlib.decompress(b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from None
