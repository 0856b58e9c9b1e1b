"""Where each page of a book is, and how one page links to another."""

from __future__ import annotations

from posixpath import relpath

from sqlpair.document.book import Book
from sqlpair.document.folder import file_names


class Addresses:
    """The paths of all pages; they end with ``suffix``.

    ``front`` is the name of a folder's first page.
    """

    def __init__(self, book: Book, front: str, suffix: str):
        self.front = f"{front}{suffix}"
        self._suffix = suffix
        self._names = {
            chapter.name: file_names(page.name for page in chapter.tables)
            for chapter in book.chapters
        }
        self._migrations = {(page.database, page.stem) for page in book.migrations}

    def chapter(self, database: str) -> str:
        """The overview of a database."""
        return f"{database}/{self.front}"

    def table(self, database: str, name: str) -> str:
        """The page of a table; empty where it has none."""
        found = self._names[database].get(name)
        return f"{database}/tables/{found}{self._suffix}" if found else ""

    def migration(self, database: str, stem: str) -> str:
        """The page of a migration; empty where it has none."""
        if (database, stem) not in self._migrations:
            return ""
        return f"{database}/migrations/{stem}{self._suffix}"


def between(here: str, there: str) -> str:
    """The link from the page ``here`` to the page ``there``."""
    folder = here.rpartition("/")[0] or "."
    return relpath(there, folder)
