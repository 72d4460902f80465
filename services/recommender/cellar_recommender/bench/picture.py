"""The bench's report as one picture: search against faiss Flat, a request's stages, workers' memory; plain SVG, no script, no font."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from cellar_recommender.bench.report import Report

WIDTH: Final = 720
_LEFT: Final = 190  # pixels for names
_BARS: Final = 380  # pixels of the longest bar
_ROW: Final = 24
_HEAD: Final = 34

_STYLE: Final = (
    "text{font:13px sans-serif;fill:#222}.head{font-weight:bold}.bar{fill:#7a2740}.other{fill:#b9a7ac}.bar+.within{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#eee}.bar{fill:#d0708c}.other{fill:#6d5d62}}"
)

Row = tuple[str, float, str, bool]  # name, length, what stands behind the bar, is it ours


def picture(report: Report) -> str:
    """The picture as an SVG document."""
    index = report.index
    blocks: list[tuple[str, list[Row]]] = [
        (
            f"One search among {index.wines:,} wines, milliseconds",
            [
                ("cellar", index.search_ms, f"{index.search_ms:.2f} ({index.ratio:.3f} of Flat, recall {index.recall:.4f})", True),
                ("faiss Flat", index.flat_ms, f"{index.flat_ms:.2f}", False),
            ],
        ),
        (
            "One request, milliseconds (median, 95th percentile)",
            [
                (stage.name, stage.median_ms, f"{stage.median_ms:.2f} ({stage.p95_ms:.2f})", stage.name != "whole")
                for stage in report.stages
            ],
        ),
        (
            "Proportional memory, MiB, every page read",
            [
                (f"worker {number} of {count}", worker.touched_mib[0], f"{worker.touched_mib[0]:.0f}", True)
                for count, workers in report.memory.items()
                for number, worker in enumerate(workers, 1)
            ]
            + [("files mapped by all", report.mapped_mib, f"{report.mapped_mib:.0f}", False)],
        ),
    ]
    drawn: list[str] = []
    top = 0
    for title, rows in blocks:
        drawn += _block(title, rows, top)
        top += _HEAD + _ROW * len(rows) + 10
    told = escape("; ".join(f"{name} {says}" for _, rows in blocks for name, _, says, _ in rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img"><title>What a recommender costs</title>'
        f"<desc>{told}</desc><style>{_STYLE}</style>{''.join(drawn)}</svg>\n"
    )


def _block(title: str, rows: Sequence[Row], top: int) -> list[str]:
    longest = max(length for _, length, _, _ in rows) or 1.0
    drawn = [f'<text class="head" x="10" y="{top + 22}">{escape(title)}</text>']
    for number, (name, length, says, is_ours) in enumerate(rows):
        y = top + _HEAD + number * _ROW
        width = max(1.0, length / longest * _BARS)
        drawn.append(
            f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{"bar" if is_ours else "other"}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_ROW - 6}"/>'
            + _said(says, width, y)
        )
    return drawn


def _said(says: str, width: float, y: int) -> str:
    """The figure behind its bar, or within it where it would leave the picture."""
    reaches = _LEFT + width + 8 + 7 * len(says)
    if reaches <= WIDTH:
        return f'<text x="{_LEFT + width + 6:.1f}" y="{y + 14}">{escape(says)}</text>'
    return f'<text x="{_LEFT + width - 6:.1f}" y="{y + 14}" text-anchor="end" class="within">{escape(says)}</text>'
