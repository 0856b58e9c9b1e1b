"""Write to standard streams that may be closed or full."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO


def write(stream: TextIO, text: str) -> bool:
    """Write it at once; False where it cannot be written, which ends no work.

    A reader that stopped has seen enough. Where there is no room for a result, it
    goes to stderr.
    """
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        lead_nowhere(stream)
    except OSError as error:
        lead_nowhere(stream)  # what it still holds would fail again at the end
        if stream is sys.stdout:
            sys.stdout = sys.stderr
            why = f"stdout cannot be written ({error.strerror}); it goes on here:\n"
            write(sys.stderr, why + text)
        return False
    return True


def lead_nowhere(stream: TextIO) -> None:
    """Let what is written to it from now on, and what it still holds, be lost."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
