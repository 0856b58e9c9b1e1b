"""A run of lint: replay the history of each database, apply the rules and silences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from sqlpair.errors import UsageError
from sqlpair.lint import Finding, configuration, script, silence, squawk
from sqlpair.lint.configuration import Configuration
from sqlpair.lint.model import Model
from sqlpair.lint.replay import apply
from sqlpair.lint.rules import all_rules, unparsed
from sqlpair.lint.script import Parsed, Script
from sqlpair.lint.subject import Subject
from sqlpair.project import git, imported, repeatable
from sqlpair.project.branches import every_migration
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import exists
from sqlpair.project.settings import Database, Settings

# What these ask of a migration a repeatable file has not: a number, a rollback, a text
# that stays.
OF_MIGRATIONS = frozenset(
    [
        *("edited-after-release", "header-line-missing", "number-out-of-sequence"),
        *("number-taken-twice", "rollback-incomplete", "rollback-missing"),
    ]
)
# What is asked of an imported one: its text is another tool's, and databases have it.
OF_IMPORTED = frozenset(
    [
        *("edited-after-release", "number-out-of-sequence", "number-taken-twice"),
        "unusable-file",
    ]
)


def run(settings: Settings, files: Sequence[Path]) -> tuple[Finding, ...]:
    """Return the findings, in the order of files and lines."""
    config = configuration.read(settings.root)
    everything = every_migration(settings)
    repeated = tuple(
        repeatable.migration(database.sql, database.name, name, everything[-1].number)
        for database in settings.databases
        if everything
        for name in repeatable.find(database.sql, database.name)
    )
    wanted = _wanted(files, (*everything, *repeated), config)
    on_main = git.read(settings.root, config.main_branch)
    found: list[Finding] = []
    for database in settings.databases:
        theirs = None if files else imported.read(database.sql)
        subjects = _subjects(
            settings.root,
            database,
            config,
            everything,
            repeated,
            on_main,
            theirs.migrations if theirs else (),
        )
        chosen = [item for item in subjects if item.migration in wanted]
        found += _findings(settings.root, database, chosen)
    return tuple(sorted(found, key=lambda item: (item.path, item.line, item.rule)))


def _wanted(
    files: Sequence[Path], everything: Sequence[Migration], config: Configuration
) -> set[Migration]:
    """Return the migrations to check."""
    if not files:
        return {item for item in everything if item.number >= config.since}
    owners = {
        path: item for item in everything for path in (item.up, item.down, item.verify)
    }
    wanted = set()
    for file in files:
        path = file.absolute()
        if path not in owners:
            raise UsageError(
                f"{file} belongs to no migration",
                remedy="Name files in sql/<database>/, or none to check all of them.",
            )
        wanted.add(owners[path])
    return wanted


def _subjects(
    root: Path,
    database: Database,
    config: Configuration,
    everything: tuple[Migration, ...],
    repeated: tuple[Migration, ...],
    on_main: git.Released | None,
    theirs: Collection[str],
) -> list[Subject]:
    """Replay the history of a database into one subject for each migration.

    Then come its repeatable files. ``theirs`` are the imported ones.
    """
    model = Model(database.driver)
    subjects = []
    for item in (*everything, *repeated):
        if item.database != database.name:
            continue
        up = script.read(item.up, database)
        down = script.read(item.down, database) if exists(item.down) else None
        model.begin()
        before = model.snapshot()
        unread = _replayed(model, up)
        after = model.snapshot()
        undone = after.snapshot() if down and down.statements else None
        if down and undone:
            undone.begin_rollback()
            unread += _replayed(undone, down)
        subjects.append(
            Subject(
                root=root,
                migration=item,
                database=database,
                up=up,
                down=down,
                before=before,
                after=after,
                undone=undone,
                final=model,
                unread=tuple(unread),
                configuration=config,
                everything=everything,
                released=on_main,
                is_imported=item.stem in theirs,
            )
        )
    return subjects


def _replayed(model: Model, file: Script) -> list[tuple[Script, Parsed, str]]:
    """Replay a file; return the statements that were not read, and why."""
    return [
        (file, parsed, reason)
        for parsed in file.statements
        if (reason := apply(model, parsed) or parsed.invalid)
    ]


def _findings(
    root: Path, database: Database, subjects: Sequence[Subject]
) -> Iterator[Finding]:
    rules = all_rules()
    raw: list[tuple[str, Script, int, str, str]] = [
        (name, *problem)
        for subject in subjects
        for name, check in rules.items()
        if _concerns(name, subject)
        for problem in check(subject)
    ]
    if database.driver == "postgresql":
        raw += _squawked(subjects, raw)
    scripts = [item for subject in subjects for item in subject.scripts]
    silences = {item.path: silence.find(item) for item in scripts}
    seen = set()
    for rule, where, line, message, instead in raw:
        seen.add(rule)
        if not silence.covers(silences[where.path], rule, line):
            path = where.path.relative_to(root).as_posix()
            yield Finding(rule, database.name, path, line, message, instead)
    known = frozenset(rules) | seen
    for file, own in silences.items():
        path = file.relative_to(root).as_posix()
        for rule, item, message, instead in silence.faults(own, known):
            yield Finding(rule, database.name, path, item.line, message, instead)


def _concerns(rule: str, subject: Subject) -> bool:
    """Whether a rule is for such a file.

    A squashed one makes what released ones made, where nobody waits.
    """
    if subject.is_squashed:
        return rule == "unusable-file"
    if subject.is_imported:
        return rule in OF_IMPORTED
    return not (subject.migration.repeatable and rule in OF_MIGRATIONS)


def _squawked(
    subjects: Sequence[Subject], said: Sequence[tuple[str, Script, int, str, str]]
) -> Iterator[tuple[str, Script, int, str, str]]:
    """Yield the findings of squawk, without those that our rules have already."""
    lines = {(where.path, rule, line) for rule, where, line, _, _ in said}
    config = subjects[0].configuration if subjects else Configuration()
    scripts = [
        subject.up
        for subject in subjects
        if not (subject.up.refused or subject.is_squashed or subject.is_imported)
    ]
    repeated = {s.up.path for s in subjects if s.migration.repeatable}
    for finding in squawk.findings(scripts, config):
        rule, where, line, message, _ = finding
        if where.path in repeated and rule in squawk.TWINS:
            continue  # a view that is dropped and made again drops nothing
        if rule == "unparsed":  # squawk goes on, with an error for each word
            place = (where.path, rule, where.begin(line))
            if place not in lines:
                lines.add(place)
                yield rule, where, line, unparsed.message(message), unparsed.INSTEAD
        elif (where.path, squawk.TWINS.get(rule), line) not in lines:
            yield finding
