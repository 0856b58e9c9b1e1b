"""``python -m sqlpair``."""

from sqlpair.cli import main

main()
