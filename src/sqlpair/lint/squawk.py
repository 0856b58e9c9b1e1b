"""squawk: a linter for PostgreSQL's locks, run as a program.

Its findings become findings of lint, under the names of its own rules. It is told
whether a file runs in a transaction, and its rules about timeouts are off.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlpair.errors import SettingsError
from sqlpair.lint.configuration import Configuration
from sqlpair.lint.script import Script

PREFIX = "https://squawkhq.com/docs/"
# The engine sets a lock_timeout for every migration itself. A statement_timeout would
# cancel long statements.
ENGINE = frozenset(
    {"require-lock-timeout", "require-statement-timeout", "require-timeout-settings"}
)
# A rule of ours that reports the same on both engines: one finding is enough.
TWINS = {
    "adding-required-field": "not-null-without-default",
    "adding-not-nullable-field": "set-not-null-at-once",
    "ban-drop-column": "drop",
    "ban-drop-table": "drop",
    "ban-drop-view": "drop",
    "changing-column-type": "narrowed-type",
    "renaming-column": "rename",
    "renaming-table": "rename",
    "ban-truncate-cascade": "delete",
}
_NOT_PARSED = "syntax-error"


def findings(
    scripts: Sequence[Script], configuration: Configuration
) -> Iterator[tuple[str, Script, int, str, str]]:
    """Yield rule, script, line, message and remedy of each finding of squawk.

    SettingsError when squawk is not installed, or fails.
    """
    if not scripts:
        return
    program = _program()
    stages = defaultdict(list)
    for script in scripts:
        stages[script.transactional].append(script)
    for transactional, group in stages.items():
        options = [] if not transactional else ["--assume-in-transaction"]
        yield from _run(program, group, configuration, options)


def _run(
    program: str,
    scripts: Sequence[Script],
    configuration: Configuration,
    options: Sequence[str],
) -> Iterator[tuple[str, Script, int, str, str]]:
    command = [program, "--reporter", "json", *options]
    for rule in sorted(ENGINE | configuration.squawk_exclude):
        command += ["--exclude", rule]
    if configuration.postgresql_version:
        command += ["--pg-version", configuration.postgresql_version]
    # In a temporary folder, where no .squawk.toml is found; each file is as the engine
    # runs it, without the outer BEGIN and COMMIT.
    with tempfile.TemporaryDirectory(prefix="sqlpair-lint-") as folder:
        names = {}
        for number, script in enumerate(scripts):
            name = f"{number:06}.sql"
            # squawk's own comments silence a finding without a reason.
            body = script.body.replace("squawk-ignore", "squawk_ignore")
            (Path(folder) / name).write_text(body, encoding="utf-8")
            names[name] = script
        done = subprocess.run(
            [*command, *names],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        for item in _answer(done):
            rule = item["rule_name"]
            yield (
                "unparsed" if rule == _NOT_PARSED else rule,
                names[Path(item["file"]).name],
                item["line"] + 1,
                item["message"],
                f"{item.get('help') or ''} {PREFIX}{rule}".strip(),
            )


def _answer(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        answer = None
    if done.returncode not in (0, 1) or not isinstance(answer, list):
        raise SettingsError(
            "squawk failed",
            (done.stderr or done.stdout).strip().splitlines()[:5],
            "Check squawk-exclude and postgresql-version in pyproject.toml"
            " [tool.sqlpair.lint].",
        )
    return answer


def _program() -> str:
    beside = shutil.which("squawk", path=sysconfig.get_path("scripts"))
    program = beside or shutil.which("squawk")
    if program is None:
        raise SettingsError(
            "lint needs squawk for PostgreSQL files, and squawk is not installed",
            remedy="Run: pip install 'sqlpair[lint]'",
        )
    return program
