"""Writing what a project is made of: revision modules and skeletons of SQL files."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlpair.authoring.file_changes import FileChanges
from sqlpair.deploy.targets import parse, positions
from sqlpair.errors import SettingsError, UsageError
from sqlpair.project import revisions
from sqlpair.project.branches import Branch, branches
from sqlpair.project.migrations import Migration
from sqlpair.project.presence import exists, is_file
from sqlpair.project.settings import Settings, load

if TYPE_CHECKING:
    from alembic.operations.ops import MigrationScript
    from mako.template import Template

SKELETONS = Path(__file__).parent / "skeletons"
# What ``alembic revision`` takes elsewhere, and why not here.
NOT_FOR_US = {
    "sql": "A migration is SQL already.",
    "splice": "A migration follows the last one of its database.",
    "branch_label": "A branch has its database's name.",
    "version_path": "A revision module stands in its database's folder.",
    "rev_id": "A revision is called by its database and number.",
    "depends_on": "Migrations of all databases run in the order of their numbers.",
}
LONGEST_NAME = 100
_TEMPLATES: dict[bytes, Template] = {}


def write_revisions(settings: Settings) -> tuple[Path, ...]:
    """Write a revision module for each SQL pair that has none; return their paths."""
    with _writing() as files:
        written = tuple(
            _write_revision(files, settings, branch, item)
            for branch in branches(settings)
            for item in revisions.missing(branch)
        )
    _run_hooks(settings, written)
    return written


def new(
    settings: Settings, database: str, message: str, template: str = "plain"
) -> Migration:
    """Write the next migration of ``database``: its SQL files and revision module.

    ``template`` names the skeleton they begin as: one of ``skeletons/<driver>/``.
    """
    branch = _branch(settings, database)
    skeleton = _skeleton(branch, template)
    item = _next(settings, branch, message)
    with _writing() as files:
        _write_sql(files, item, skeleton)
        branch = _branch(settings, database)
        module = _write_revision(files, settings, branch, item)
    _run_hooks(settings, (module,))
    return item


def _writing() -> FileChanges:
    return FileChanges(
        "the files cannot be written", "Nothing was written.", SettingsError
    )


def _branch(settings: Settings, database: str) -> Branch:
    (branch,) = branches(settings, [database])
    return branch


def _skeleton(branch: Branch, template: str) -> tuple[str, str]:
    """Return the text that the SQL files of a new migration begin as, up and down."""
    folder = SKELETONS / branch.database.driver
    known = templates(branch.database.driver)
    if template not in known:
        raise UsageError(
            f"{branch.name} has no template {template!r}",
            [f"a {branch.database.driver} database has: {', '.join(known)}"],
        )
    up, down = (folder / f"{template}{end}.sql" for end in ("", "_rollback"))
    return up.read_text(encoding="utf-8"), down.read_text(encoding="utf-8")


def templates(driver: str) -> list[str]:
    """Return the names of what a migration can begin as, for a driver's databases."""
    return sorted(
        path.stem
        for path in (SKELETONS / driver).glob("*.sql")
        if not path.stem.endswith("_rollback")
    )


def refuse_options(arguments: Mapping[str, Any]) -> None:
    """Raise UsageError for what ``alembic revision`` cannot do here."""
    given = [name for name in NOT_FOR_US if arguments[name]]
    if given:
        raise UsageError(
            f"alembic revision takes no --{given[0].replace('_', '-')} here",
            remedy=NOT_FOR_US[given[0]],
        )


def name(
    settings: Settings,
    directive: MigrationScript,
    template_args: dict[str, Any],
    generated: tuple[str, str] | None = None,
) -> None:
    """Number the revision that ``alembic revision`` makes, and write its SQL files.

    They are ``generated``, up and down, or a skeleton.
    """
    branch = branch_below(settings, str(directive.head or "head"))
    item = _next(settings, branch, directive.message or "")
    if not branch.migrations:  # nothing to build on: the branch begins here
        directive.head = "base"
        directive.branch_label = branch.name
        directive.version_path = str(branch.database.versions)
    directive.rev_id = item.revision
    directive.message = item.stem.replace("_", " ")
    template_args["sql"] = _relative(settings, item)
    skeleton = _skeleton(branch, "plain")
    if generated is not None:
        headers = (text.partition("--\n-- Hint")[0] for text in skeleton)
        up, down = (f"{a}{b}" for a, b in zip(headers, generated, strict=True))
        skeleton = up, down
    with _writing() as files:
        _write_sql(files, item, skeleton)


def branch_below(settings: Settings, head: str) -> Branch:
    """Return the branch that ``head`` is the end of, be it empty."""
    known = {branch.name: branch for branch in branches(settings)}
    ends = positions(parse(head), known.values())
    if len(ends) > 1:
        raise UsageError(
            "the new migration belongs to no database",
            remedy=f"Say which one: --head {' or '.join(f'{n}@head' for n in ends)}",
        )
    ((name, position),) = ends.items()
    if position < len(known[name].migrations):
        raise UsageError(
            f"{head} is not the last revision of {name}",
            remedy=f"Write: --head {name}@head",
        )
    return known[name]


def _next(settings: Settings, branch: Branch, message: str) -> Migration:
    revisions.require(branch)
    # é becomes e; what has no ASCII in it at all becomes nothing.
    ascii_only = unicodedata.normalize("NFKD", message).encode("ascii", "ignore")
    slug = re.sub(r"[^a-z0-9]+", "_", ascii_only.decode().lower())
    slug = slug[:LONGEST_NAME].strip("_")
    if not slug or re.search("(^|_)(rollback|verify)$", slug):
        raise UsageError(
            f"{message!r} is not a valid name for a migration",
            ["its file's name would end in _rollback or _verify"] if slug else [],
            "Say what it does: add email to users",
        )
    numbers = [item for other in branches(settings) for item in other.migrations]
    number = max((item.number for item in numbers), default=0) + 1
    digits = max((item.stem.index("_") for item in numbers), default=3)
    stem = f"{number:0{digits}}_{slug}"
    return Migration(branch.name, number, stem, branch.database.sql)


def _write_sql(files: FileChanges, item: Migration, skeleton: tuple[str, str]) -> None:
    sentence = item.name.replace("_", " ")
    sentence = sentence[0].upper() + sentence[1:]
    item.folder.mkdir(parents=True, exist_ok=True)
    for path, text in zip((item.up, item.down), skeleton, strict=True):
        # Not str.format: SQL has braces of its own.
        text = text.replace("{sentence}", sentence, 1).replace("{stem}", item.stem, 1)
        files.create(path, text.encode())


def _write_revision(
    files: FileChanges, settings: Settings, branch: Branch, item: Migration
) -> Path:
    below = branch.below(item)
    values: Mapping[str, Any] = {
        "message": item.stem.replace("_", " "),
        "up_revision": item.revision,
        "down_revision": below.revision if below else None,
        "branch_labels": None if below else (branch.name,),
        "depends_on": None,
        "sql": _relative(settings, item),
    }
    template = branch.database.versions.parent.parent / "script.py.mako"
    path = revisions.module_path(branch, item)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _compiled(template.read_bytes(), template).render(**values)
    files.create(path, text.encode())
    return path


def _compiled(text: bytes, path: Path) -> Template:
    """Compile a template, once for many modules: it takes longer than all else."""
    from mako.template import Template

    if text not in _TEMPLATES:
        _TEMPLATES[text] = Template(text, filename=str(path))  # noqa: S702
    return _TEMPLATES[text]


def _run_hooks(settings: Settings, modules: Sequence[Path]) -> None:
    """Run [post_write_hooks] on new modules, as ``alembic revision`` does."""
    toml = settings.root / "pyproject.toml"
    files = [path for path in (settings.ini, toml) if is_file(path)]
    if not modules or not any(b"post_write_hooks" in p.read_bytes() for p in files):
        return  # Alembic takes long to import
    from alembic.config import Config
    from alembic.script import ScriptDirectory, write_hooks
    from alembic.util import CommandError

    config = Config(settings.ini, toml_file=toml if toml in files else None)
    # What Alembic and the hooks say is no result.
    with redirect_stdout(sys.stderr):
        try:
            hooks = ScriptDirectory.from_config(config).hooks
            for module in modules:
                write_hooks._run_hooks(module, hooks)
        except (CommandError, OSError) as error:
            names = ", ".join(_relative_path(settings, module) for module in modules)
            raise SettingsError(
                "a post write hook failed",
                [str(error), f"written before it: {names}"],
                "Correct [post_write_hooks], and run the hook by hand on these files.",
            ) from error


def _relative_path(settings: Settings, path: Path) -> str:
    return path.relative_to(settings.root).as_posix()


def _relative(settings: Settings, item: Migration) -> str:
    return _relative_path(settings, item.up)


def init(folder: Path) -> tuple[Path, ...]:
    """Lay down an empty project in ``folder``; return the files written.

    UsageError, with nothing written, when one of them is there already, and where the
    folder cannot be written.
    """
    remedy = "Choose a folder that is yours to write."
    with FileChanges("the project cannot be written", remedy, UsageError) as written:
        return _init(folder, written)


def _init(folder: Path, written: FileChanges) -> tuple[Path, ...]:
    template = Path(__file__).parent / "template"
    files = {
        folder / source.relative_to(template): source
        for source in sorted(template.rglob("*"))
        if is_file(source) and source.suffix != ".pyc"
    }
    files = {
        path.with_name(".gitignore") if path.name == "gitignore" else path: source
        for path, source in files.items()
    }
    for path in files:
        if exists(path):
            raise UsageError(
                f"{path} is there already",
                remedy="Choose a folder that holds no Alembic project.",
            )
    for path, source in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        written.create(path, source.read_bytes())
    settings = load(folder / "alembic.ini", {})
    for database in settings.databases:
        database.sql.mkdir(parents=True, exist_ok=True)
        database.versions.mkdir(parents=True, exist_ok=True)
    return tuple(files)
