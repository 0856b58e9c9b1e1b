"""Write the measured figures into docs/performance.md, and draw its plots.

    python benchmarks/report.py

Reads what run.py, commands.py, idle.py and where.py have measured: results.json,
commands.json, idle.json and where.md. What was not measured stays as it is.
"""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

import contestants
import matplotlib as mpl

import commands

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "sqlpair"  # the same figures give the same file
from matplotlib import pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
PAGE = DOCS / "performance.md"
PEERS = tuple(contestant.name for contestant in contestants.PEERS)
COLUMNS = tuple(contestant.name for contestant in contestants.OWN)
SAID = {
    "nothing": "nothing to do, {} migrations",
    "apply": "apply {}",
    "rollback": "roll back {}",
    "file": "one file of {} INSERTs",
}
# Against what the goal of a workload is set, by contestant.
GOALS = (
    ("apply-1000", "sqlpair, a transaction each", "floor", 1.25),
    ("apply-1000", "sqlpair", "one transaction", 2.5),
    ("rollback-1000", "sqlpair, a transaction each", "floor", 1.5),
    ("rollback-1000", "sqlpair", "one transaction", 2.5),
    ("file-10000", "sqlpair", "driver", 1.3),
)
Workload = dict[str, list[float]]


def median(found: Workload, name: str) -> float | None:
    return statistics.median(found[name]) if found.get(name) else None


def cell(found: Workload, name: str) -> str:
    value = median(found, name)
    if value is None:
        return ""
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def title(workload: str) -> str:
    kind, _, size = workload.partition("-")
    return SAID[kind].format(f"{int(size):,}")


def order(workload: str) -> tuple[int, int]:
    kind, _, size = workload.partition("-")
    return [*SAID].index(kind), int(size)


def table(results: dict[str, dict[str, Workload]]) -> str:
    """Return medians in seconds, a row for each workload and engine."""
    head = ["workload", "engine", *COLUMNS[:3], "best peer", *COLUMNS[3:]]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for workload, engines in results.items():
        for engine, found in engines.items():
            peers = [(median(found, name), name) for name in PEERS if found.get(name)]
            best = min(peers)[1] if peers else ""
            row = [
                title(workload),
                engine,
                *(cell(found, name) for name in COLUMNS[:3]),
            ]
            row.append(f"{best} {cell(found, best)}" if best else "")
            row += [cell(found, name) for name in COLUMNS[3:]]
            lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def ratios(results: dict[str, dict[str, Workload]]) -> str:
    lines = ["| workload | engine | ratio | goal |", "|---|---|---|---|"]
    for workload, name, base, goal in GOALS:
        for engine, found in results.get(workload, {}).items():
            own, other = median(found, name), median(found, base)
            if own is None or other is None:
                continue
            # Round by round, since what slows one slows the others.
            each = [a / b for a, b in zip(found[name], found[base], strict=False)]
            lines.append(
                f"| {title(workload)} | {engine} | {name} / {base}: {own / other:.2f}"
                f" ({min(each):.2f} to {max(each):.2f}) | {goal} |"
            )
    return "\n".join(lines)


def whole(results: dict[str, Workload]) -> str:
    """Return a row for each command that commands.py has measured."""
    lines = [
        "| workload | floor | command / floor | ratio | goal |",
        "|---|---|---|---|---|",
    ]
    known = list(commands.WORKLOADS)
    for key, found in sorted(results.items(), key=lambda one: _place(one[0], known)):
        name, size = key.rsplit("-", 1)
        row = commands.WORKLOADS[name]
        each = [a / b for a, b in zip(found["command"], found["floor"], strict=True)]
        lines.append(
            f"| {row.said.format(f'{int(size):,}')} | {row.floor}"
            f" | {cell(found, 'command')} / {cell(found, 'floor')} s"
            f" | {statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})"
            f" | {row.goal:g} |"
        )
    return "\n".join(lines)


def _place(key: str, known: list[str]) -> tuple[int, int]:
    name, size = key.rsplit("-", 1)
    return known.index(name), int(size)


def idle(results: dict[str, dict[str, dict[str, float]]]) -> str:
    lines = [
        "| migrations | `sqlpair migrate` / driver loop | in instructions |"
        " `alembic upgrade heads` / empty Alembic | in instructions |",
        "|---|---|---|---|---|",
    ]
    for size, found in results.items():
        row = [f"{int(size):,}"]
        for name, base in (
            ("sqlpair migrate", "driver loop"),
            ("alembic upgrade heads", "empty Alembic"),
        ):
            one, other = found[name], found[base]
            row.append(
                f"{one['seconds']:.3f} / {other['seconds']:.3f} s ="
                f" {one['seconds'] / other['seconds']:.2f}"
            )
            row.append(
                f"{one['instructions']:,.0f} / {other['instructions']:,.0f} million ="
                f" {one['instructions'] / (other['instructions'] or 1):.2f}"
            )
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def draw_workloads(results: dict[str, dict[str, Workload]]) -> None:
    # What just two of them did is in the other plot.
    shared = [w for w, engines in results.items() if len(engines["sqlite"]) > 2]
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, sharex=True)
    colours = plt.get_cmap("tab20").colors
    for axis, engine in zip(axes, ("postgresql", "sqlite"), strict=True):
        for name, colour in zip((*COLUMNS, *PEERS), colours, strict=False):
            points = [
                (value, row)
                for row, workload in enumerate(shared)
                if (value := median(results[workload][engine], name)) is not None
            ]
            own = "sqlpair" in name
            axis.scatter(
                *zip(*points, strict=True),
                s=60 if own else 25,
                marker="D" if own else "o",
                color=colour,
                label=name,
            )
        axis.set_xscale("log")
        axis.set_title(engine)
        axis.set_xlabel("seconds, median")
        axis.grid(axis="y", linewidth=0.3)
    axes[0].set_yticks(range(len(shared)), [title(workload) for workload in shared])
    axes[0].invert_yaxis()
    axes[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, "workloads")


def draw_scale(
    results: dict[str, dict[str, Workload]],
    idle: dict[str, dict[str, dict[str, float]]],
) -> None:
    """Milliseconds for each migration, over how many there are."""
    figure, axis = plt.subplots(figsize=(7, 4))
    for engine, colour in (("postgresql", "tab:blue"), ("sqlite", "tab:orange")):
        for name, line in (("sqlpair, a transaction each", "-"), ("floor", ":")):
            points = sorted(
                (size, 1000 * value / size)
                for workload, engines in results.items()
                if workload.startswith("apply-")
                and (value := median(engines.get(engine, {}), name)) is not None
                and (size := int(workload.partition("-")[2]))
            )
            axis.plot(
                *zip(*points, strict=True),
                line,
                marker="o",
                color=colour,
                label=f"apply, {engine}, {name}",
            )
    points = [
        (int(size), 1000 * found["sqlpair migrate"]["seconds"] / int(size))
        for size, found in idle.items()
    ]
    axis.plot(
        *zip(*points, strict=True),
        marker="o",
        color="tab:green",
        label="nothing to do, both engines, sqlpair",
    )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("migrations")
    axis.set_ylabel("milliseconds for each")
    axis.legend(fontsize=8)
    save(figure, "scale")


def save(figure: plt.Figure, name: str) -> None:
    folder = DOCS / "performance"
    folder.mkdir(exist_ok=True)
    figure.savefig(folder / f"{name}.svg", bbox_inches="tight", metadata={"Date": None})


def fill(page: str, name: str, text: str) -> str:
    """Put ``text`` between the marks of that name."""
    return re.sub(
        rf"(<!-- {name} -->\n).*?(<!-- end {name} -->)",
        lambda match: f"{match[1]}\n{text}\n\n{match[2]}",
        page,
        flags=re.DOTALL,
    )


def main() -> None:
    page = PAGE.read_text()
    results, found = read("results"), read("idle")
    if results:
        measured = results["results"]
        results = dict(sorted(measured.items(), key=lambda one: order(one[0])))
        page = fill(page, "table", table(results))
        page = fill(page, "ratios", ratios(results))
        draw_workloads(results)
    if found:
        page = fill(page, "idle", idle(found))
    if results and found:
        draw_scale(results, found)
    if rows := read("commands"):
        page = fill(page, "commands", whole(rows))
    if (where := HERE / "where.md").exists():
        page = fill(page, "where", where.read_text().strip())
    PAGE.write_text(page)


def read(name: str) -> Any:
    """Return what was measured; nothing where nothing was."""
    path = HERE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    main()
