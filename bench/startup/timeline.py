"""Draws runs as bars over one axis of seconds, in an SVG that any browser shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

_COLOURS = {
    "python": "#9aa0a6",
    "imports": "#4285f4",
    "verify": "#a142f4",
    "load": "#f9ab00",
    "copy": "#34a853",
    "first picture": "#ea4335",
}
# What the service does with each model of the pipeline, beside reading the next.
_PARTS = "#81c995"
_LABEL, _WIDTH, _ROW = 330, 760, 26


@dataclass(frozen=True)
class Bar:
    """One run: its name and, in order, what ended at how many seconds after its start."""

    name: str
    marks: tuple[tuple[str, float], ...]
    limit: float | None = None


def draw(path: Path, bars: Sequence[Bar], title: str) -> None:
    """Writes the file."""
    longest = max((bar.marks[-1][1] for bar in bars), default=1.0)
    scale = _WIDTH / (longest * 1.1)
    height = 70 + _ROW * len(bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABEL + _WIDTH + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="20" font-size="14">{escape(title)}</text>',
    ]
    for index, (name, colour) in enumerate({**_COLOURS, "a model": _PARTS}.items()):
        x = _LABEL + index * 90
        parts.append(
            f'<rect x="{x}" y="30" width="10" height="10" fill="{colour}"/><text x="{x + 14}" y="39">{name}</text>'
        )
    for row, bar in enumerate(bars):
        y = 52 + row * _ROW
        parts.append(f'<text x="10" y="{y + 13}">{escape(bar.name)}</text>')
        begin = 0.0
        for name, end in bar.marks:
            width = max(0.0, end - begin) * scale
            parts.append(
                f'<rect x="{_LABEL + begin * scale:.1f}" y="{y}" width="{width:.1f}" height="18" '
                f'fill="{_COLOURS.get(name, _PARTS)}"><title>{escape(name)} {end - begin:.2f} s</title></rect>'
            )
            begin = end
        parts.append(f'<text x="{_LABEL + begin * scale + 5:.1f}" y="{y + 13}">{begin:.1f} s</text>')
        if bar.limit is not None:
            x = _LABEL + bar.limit * scale
            parts.append(f'<line x1="{x:.1f}" y1="{y - 2}" x2="{x:.1f}" y2="{y + 20}" stroke="red"/>')
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")
