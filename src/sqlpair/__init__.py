"""Plain SQL files as the source of truth for several databases at once."""

import os

if os.name == "nt":
    raise ImportError(
        "sqlpair does not run on Windows: it holds its locks by fcntl, as POSIX has it."
        " Run it in WSL or in a container."
    )
