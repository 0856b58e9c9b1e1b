"""``sqlpair``, and ``python -m sqlpair``."""

import gc
import os
import sys
from io import TextIOWrapper
from pathlib import Path


def main() -> None:
    """Run the command line."""
    _open_standard_streams()
    # What a command makes, it mostly needs to its end: to look for what it does not,
    # after every few hundred objects, took a tenth of its time.
    gc.set_threshold(100_000)
    try:
        if sys.argv[1:] == ["migrate"] and _had_nothing_to_do():
            return
        from sqlpair import cli
    except KeyboardInterrupt:  # sooner than ``cli`` handles it: nothing has begun
        sys.stderr.write("interrupted by SIGINT\n")
        sys.exit(130)
    cli.main()


def _had_nothing_to_do() -> bool:
    """Say so, and return True, where it is so; ``cli`` finds out and says the rest."""
    if sys.stdout.isatty():  # has colours
        return False
    from sqlpair.deploy.nothing_to_do import answer
    from sqlpair.errors import Interrupted, printable

    try:
        found = answer(Path("alembic.ini"))
    except Interrupted as error:
        sys.stderr.write(f"{printable(str(error))}\n")
        sys.exit(error.exit_code)
    if found is None:
        return False
    try:
        sys.stderr.write("".join(f"{printable(line)}\n" for line in found.reported))
        sys.stdout.write("".join(f"{printable(line)}\n" for line in found.result))
        sys.stdout.flush()
    except OSError:
        return False
    return True


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
