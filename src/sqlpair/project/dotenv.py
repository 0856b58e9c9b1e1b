"""The ``.env`` file: read whole, and rewritten in one value only.

Reading is python-dotenv's. Writing is not: its ``set_key`` drops the comment
behind a value and the ``export`` before it, turns CRLF into LF, and creates the
file. Here every byte stays but the value's, and anyone who reads the file, at any
moment and after any death, finds it whole: the old one or the new one.
"""

from __future__ import annotations

import io
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from sqlpair.errors import SettingsError
from sqlpair.project.presence import is_file

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
_SETTING = re.compile(
    r"\s*(?:export\s+)?'?(?P<key>[A-Za-z_][A-Za-z0-9_.-]*)'?[^\S\r\n]*="
    r"[^\S\r\n]*(?P<value>[^=\s])?"
)


def read(path: Path) -> dict[str, str]:
    """Every variable that ``path`` sets; none if there is no such file.

    SettingsError where it cannot be read, or a line of it: without that line the
    default would hold.
    """
    if not os.path.lexists(path):
        return {}
    from dotenv import dotenv_values

    try:
        if path.is_fifo():
            raise OSError(0, "it is a named pipe, not a file")
        text = _text(path).removeprefix("\ufeff")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read", [_reason(error)]) from error
    _refuse_unreadable_lines(path, text)
    values = dotenv_values(stream=io.StringIO(text))
    return {key: value for key, value in values.items() if value is not None}


def _refuse_unreadable_lines(path: Path, text: str) -> None:
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text)):
        source = binding.original.string
        setting = _SETTING.match(source)
        if binding.error:
            quoted = setting and setting["value"] in ("'", '"')
            why = "its quote is not closed" if quoted else "it is not KEY=value"
        elif any(map(_sets, (binding.value or "").splitlines()[1:])):
            why = "its quote is closed behind the next setting"
        elif binding.key and binding.value is None and source.split()[0] != "export":
            why = "it has no ="
        else:
            continue
        before = source[: len(source) - len(source.lstrip())]
        # The line itself may hold a password.
        named = [f"it sets {setting['key']}"] if setting else []
        raise SettingsError(
            f"{path}:{binding.original.line + before.count(chr(10))}: the line cannot"
            f" be read: {why}",
            named,
            "Write KEY=value, in quotes where the value has blanks or a # in it.",
        )


def _sets(line: str) -> bool:
    match = _SETTING.match(line)
    return match is not None and match["value"] is not None


def write_value(path: Path, key: str, value: str, *, trial: bool = False) -> bool:
    """Set ``key`` to ``value`` in ``path``; False if there was nothing to change.

    With ``trial`` all is done but the last step, and ``path`` stays as it is.

    A key that is absent is appended, and of several the last is changed, the
    one that counts. A file that does not exist is not created: a project
    without one wants none. Key and value are plain words, which no kind of
    quotes would change.
    """
    for word in (key, value):
        if not _PLAIN.fullmatch(word):
            raise ValueError(f"not a plain word: {word!r}")
    try:
        # Behind a link stands the file that others share; the link stays.
        target = path.resolve(strict=True)
    except FileNotFoundError:
        return False
    try:
        if not is_file(target):
            # A named pipe would become a file of secrets.
            raise OSError(0, "it is not a regular file")
        old = _text(target)
        new = _with_value(old, key, value)
        if new == old:
            return False
        _replace(target, new.encode(), trial=trial)
    except OSError as error:
        raise SettingsError(
            f"{path}: {key} could not be set to {value}",
            [_reason(error), "the file is as it was"],
            "Let this user write the file and its folder, "
            f"or write {key}={value} into it by hand",
        ) from error
    return True


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path} is not UTF-8",
            [f"byte {error.start} is 0x{content[error.start]:02x}"],
            "Save the file as UTF-8",
        ) from None


def _with_value(text: str, key: str, value: str) -> str:
    """``text`` with the last setting of ``key`` changed, or with one appended."""
    from dotenv.parser import parse_stream

    bom, text = text[: text.startswith("\ufeff")], text.removeprefix("\ufeff")
    start, current = 0, None
    offset = 0
    for binding in parse_stream(io.StringIO(text)):
        if binding.key == key:
            start, current = offset, binding.value
        offset += len(binding.original.string)
    if current == value:
        return bom + text
    setting = None if current is None else _setting(key).match(text, start)
    if setting:
        start, end = setting.span(setting.lastgroup or 0)
        return bom + text[:start] + value + text[end:]
    line_end = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text or text.endswith("\n") else line_end
    return f"{bom}{text}{gap}{key}={value}{line_end}"


def _setting(key: str) -> re.Pattern[str]:
    """One setting of ``key``, as python-dotenv reads it, up to its value's end.

    The last group is the value without its quotes. A bare value ends before
    the blank of an inline comment; that of ``KEY= # comment`` is empty.
    """
    return re.compile(
        rf"""
        \s* (?:export[^\S\r\n]+)? ('?){re.escape(key)}\1 [^\S\r\n]* =[^\S\r\n]*
        (?: '(?P<single>(?:\\.|[^'\\])*)'
          | "(?P<double>(?:\\.|[^"\\])*)"
          | (?P<bare>(?:(?!\#)|(?<==))[^\r\n]*?)
            (?=[^\S\r\n]*(?:[\r\n]|\Z)|[^\S\r\n]+\#)
        )
        """,
        re.VERBOSE | re.DOTALL,
    )


def _replace(target: Path, content: bytes, *, trial: bool) -> None:
    """Put ``content`` in the place of ``target``, with its mode and owner.

    A ``trial`` only makes it, beside the target, and takes it away again.
    """
    import tempfile

    before = target.stat()
    # A rename asks the folder only, and root may do anything: neither would
    # notice that somebody made the file read-only.
    if not (before.st_mode & 0o222 and os.access(target, os.W_OK)):
        raise PermissionError(0, "the file is read-only")
    # The name begins like .env.staging does, so what a kill leaves behind is
    # ignored by Git. Nobody else may read it until it has the file's mode.
    handle, name = tempfile.mkstemp(
        prefix=f"{target.name}.", suffix=".tmp", dir=target.parent
    )
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            for owner in ((-1, before.st_gid), (before.st_uid, -1)):
                with suppress(PermissionError):
                    os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            os.fsync(file.fileno())
        if not trial:
            Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
