"""``sqlpair``, and ``python -m sqlpair``."""

import sys

from sqlpair import idle


def main() -> None:
    """Run the command line."""
    if idle.answered(sys.argv[1:]):
        return
    from sqlpair import cli

    cli.main()


if __name__ == "__main__":
    main()
