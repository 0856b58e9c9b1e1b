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
    # Of the usual size, its window takes longer to allocate than a rollback to read.
    work = zlib.compressobj(wbits=12, memLevel=5)
    return b64encode(work.compress(rollback) + work.flush()).decode("ascii")


def expanded(text: str) -> bytes:
    """Return what ``compressed`` was given; ValueError where ``text`` is not its."""
    try:
        return zlib.decompress(b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from None
