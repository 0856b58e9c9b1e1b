"""``sqlpair``, and ``python -m sqlpair``."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path

from sqlpair.cli import fast_path


def main() -> None:
    """Run the command line."""
    _open_standard_streams()
    if fast_path.answered(sys.argv[1:]):
        return
    from sqlpair import cli

    cli.main()


def _open_standard_streams() -> None:
    """Let those that are closed lead nowhere, and escape what one cannot encode.

    Else the next file that is opened, a database perhaps, gets the number of one, and
    what a library prints.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
