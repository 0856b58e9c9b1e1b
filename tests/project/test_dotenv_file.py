"""``.env`` is changed in one value, whole or not at all."""

from __future__ import annotations

import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from dotenv import dotenv_values

from fault_injection import forked
from sqlpair.errors import SettingsError
from sqlpair.project import dotenv


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def in_a_child(code: str, env: Path) -> subprocess.Popen[str]:
    """Another process that runs ``code``, with everything it needs imported."""
    prelude = """
import os, resource, signal, sys
from pathlib import Path
import dotenv, tempfile
from sqlpair.errors import SettingsError
from sqlpair.project import dotenv as dotenv_file

def write(version):
    try:
        dotenv_file.write_value(Path(sys.argv[1]), "V", version)
    except SettingsError as error:
        print(error)
"""
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, str(env)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_file_that_does_not_exist_sets_nothing(env: Path) -> None:
    assert dotenv.read(env) == {}


def test_values_are_read_as_python_dotenv_reads_them(env: Path) -> None:
    env.write_bytes(
        b"\xef\xbb\xbfFIRST=1\r\nexport TWO='a # b' # c\nexport NO_VALUE\nEMPTY=\n"
        b'URL=postgres://u:p@h/d?x=%23#y\nMANY="line\nline"\nFIRST=last\n'
    )

    assert dotenv.read(env) == {
        "FIRST": "last",
        "TWO": "a # b",
        "EMPTY": "",
        "URL": "postgres://u:p@h/d?x=%23#y",
        "MANY": "line\nline",
    }


def test_a_file_that_is_not_utf8_is_refused_with_its_byte(env: Path) -> None:
    env.write_text("A=1\n", encoding="utf-16")

    with pytest.raises(SettingsError, match="byte 0 is 0xff"):
        dotenv.read(env)


def test_a_folder_named_like_the_file_is_a_settings_error(env: Path) -> None:
    env.mkdir()

    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        dotenv.read(env)
    with pytest.raises(SettingsError, match="not a regular file"):
        dotenv.write_value(env, "V", "3")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("V=2\n", "V=3\n"),
        ("V=2", "V=3"),
        ("V=\n", "V=3\n"),
        ("V=", "V=3"),
        ("V=2 # deployed\n", "V=3 # deployed\n"),
        ("V=2   \nA=1\n", "V=3   \nA=1\n"),
        ("V= # none yet\n", "V=3 # none yet\n"),
        ("V=#2\n", "V=3\n"),
        ("V=two words # why\n", "V=3 # why\n"),
        ("V='2'# why\n", "V='3'# why\n"),
        ('V="2"\n', 'V="3"\n'),
        ("V='it\\'s # 2'\n", "V='3'\n"),
        ('V="a\nb"\nA=1\n', 'V="3"\nA=1\n'),
        ("export V=2\n", "export V=3\n"),
        ("  export\tV = 2\n", "  export\tV = 3\n"),
        ("'V'=2\n", "'V'=3\n"),
        (
            "A=1\r\n\r\n# c\r\nV=2 # x\r\nB=2\r\n",
            "A=1\r\n\r\n# c\r\nV=3 # x\r\nB=2\r\n",
        ),
        ("V=1\nA=1\nV=2\n", "V=1\nA=1\nV=3\n"),
        ("# V=1\nV=2\n# V=1\n", "# V=1\nV=3\n# V=1\n"),
        ("MY_V=1\nV=2\nV_X=1\n", "MY_V=1\nV=3\nV_X=1\n"),
        ('A="\nV=1\n"\nV=2\n', 'A="\nV=1\n"\nV=3\n'),
        ("\ufeffV=2\n", "\ufeffV=3\n"),
        ("KEY=\u20ac\nV=2\n", "KEY=\u20ac\nV=3\n"),
        ("not a setting'\nV=2\n", "not a setting'\nV=3\n"),
        # absent: appended, in the file's own line ends
        ("", "V=3\n"),
        ("A=1\n", "A=1\nV=3\n"),
        ("A=1", "A=1\nV=3\n"),
        ("A=1\r\nB=2", "A=1\r\nB=2\r\nV=3\r\n"),
        ("V=1\nV\n", "V=1\nV\nV=3\n"),
        ("A='open\n", "A='open\nV=3\n"),
    ],
)
def test_only_the_value_changes(env: Path, before: str, after: str) -> None:
    env.write_bytes(before.encode())

    assert dotenv.write_value(env, "V", "3")

    assert env.read_bytes() == after.encode()
    assert dotenv_values(env, encoding="utf-8-sig")["V"] == "3"
    assert not dotenv.write_value(env, "V", "3")


def test_every_other_value_stays_in_the_strangest_file(env: Path) -> None:
    generator = random.Random(2)
    pieces = ["V", "A", "=", "'", '"', "#", " ", "\n", "\r\n", "\\", "export ", "2"]
    for _ in range(2000):
        text = "".join(generator.choices(pieces, k=generator.randint(0, 12)))
        env.write_bytes(text.encode())
        expected = {**dotenv_values(env, interpolate=False), "V": "3"}

        dotenv.write_value(env, "V", "3")

        assert dotenv_values(env, interpolate=False) == expected, repr(text)


def test_an_equal_value_writes_nothing(env: Path) -> None:
    env.write_text("V='3' # same\n")
    before = env.stat()

    assert not dotenv.write_value(env, "V", "3")

    after = env.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_missing_file_is_not_created(env: Path) -> None:
    assert not dotenv.write_value(env, "V", "3")
    assert not env.exists()


def test_words_that_would_need_quotes_are_refused(env: Path) -> None:
    env.write_text("V=2\n")

    for key, value in [("V", "3 # x"), ("V", "3\nURL=x"), ("V", ""), ("=", "3")]:
        with pytest.raises(ValueError, match="not a plain word"):
            dotenv.write_value(env, key, value)

    assert env.read_text() == "V=2\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_mode_and_owner_stay(env: Path, mode: int) -> None:
    env.write_text("V=2\n")
    owner = (12345, 54321) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(env, *owner)
    env.chmod(mode)

    dotenv.write_value(env, "V", "3")

    after = env.stat()
    assert stat.S_IMODE(after.st_mode) == mode
    assert (after.st_uid, after.st_gid) == owner
    assert list(env.parent.iterdir()) == [env]


def test_a_link_stays_a_link_and_its_file_changes(env: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "env").write_text("V=2\n")
    env.symlink_to("shared/env")

    assert dotenv.write_value(env, "V", "3")

    assert env.is_symlink()
    assert (shared / "env").read_text() == "V=3\n"


def test_a_read_only_file_is_refused_and_stays(env: Path) -> None:
    env.write_text("V=2\n")
    env.chmod(0o444)

    with pytest.raises(SettingsError) as failure:
        dotenv.write_value(env, "V", "3")

    assert str(failure.value).splitlines() == [
        f"{env}: V could not be set to 3",
        "  the file is read-only",
        "  the file is as it was",
        "  Let this user write the file and its folder, or write V=3 into it by hand",
    ]
    assert env.read_text() == "V=2\n"
    assert list(env.parent.iterdir()) == [env]


def test_a_folder_that_cannot_be_written_is_refused_and_stays() -> None:
    with tempfile.TemporaryDirectory() as folder:
        env = Path(folder, ".env")
        env.write_text("V=2\n")
        env.chmod(0o666)
        env.parent.chmod(0o555)

        # Root may write anywhere, so the child becomes somebody else.
        child = in_a_child("os.getuid() or os.setuid(65534)\nwrite('3')", env)
        message, _ = child.communicate()

        assert "V could not be set to 3\n  Permission denied" in message
        assert env.read_text() == "V=2\n"
        env.parent.chmod(0o755)


def test_a_write_that_breaks_off_leaves_the_old_file_alone(env: Path) -> None:
    old = "V=2\n" + "# a comment\n" * 1000
    env.write_text(old)

    child = in_a_child(
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "write('3')",
        env,
    )
    message, _ = child.communicate()

    assert "V could not be set to 3\n  File too large" in message
    assert env.read_text() == old
    assert list(env.parent.iterdir()) == [env]


def test_a_killed_writer_leaves_the_old_file_or_the_new(env: Path) -> None:
    # Long, so that writing takes a while; one line, so that parsing does not.
    padding = "#" * 2_000_000
    old, new = f"V=2\n{padding}", f"V=3\n{padding}"
    env.write_text(old)

    def is_being_written() -> bool:
        return env.stat().st_size != len(old) or [*env.parent.iterdir()] != [env]

    def write() -> None:
        while True:
            dotenv.write_value(env, "V", "3")
            dotenv.write_value(env, "V", "2")

    for attempt in range(15):
        child = forked(write)
        while not is_being_written():
            assert os.waitpid(child, os.WNOHANG) == (0, 0)
        time.sleep(attempt / 1000)
        os.kill(child, signal.SIGKILL)

        assert os.waitpid(child, 0) == (child, signal.SIGKILL)
        whole = env.read_text() in (old, new)  # not in the assert: it is 2 MB
        assert whole, f"half a file after kill {attempt}"
        for left_behind in env.parent.glob(".env.*.tmp"):
            left_behind.unlink()
