# SPDX-License-Identifier: MIT
"""The ratios of a run as a picture: one panel per row, one bar per contender with its confidence interval.

Bars are CPU per request as a ratio to the row's reference, so shorter is better and the reference is at 1. Where a bar of
the library has a limit against that reference, a red line marks it. Colours come from the style sheet in the picture, which
follows the reader's choice of light or dark.
"""
from xml.sax.saxutils import escape

import ratios

PANEL_WIDTH = 420
BAR_HEIGHT = 18
LABEL_WIDTH = 120
VALUE_WIDTH = 110
MARGIN = 20
COLUMNS = 2

STYLE = """
text { font: 12px sans-serif; fill: #222 } .title { font-weight: bold } .value { font-size: 11px }
.page { fill: #fff } .own { fill: #2a6fb5 } .other { fill: #b9c2cc }
.whisker { stroke: #222; stroke-width: 1.2 } .limit { stroke: #c22; stroke-width: 1.5; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .page { fill: #1c1f23 } .own { fill: #5fa3e6 } .other { fill: #565f69 } .whisker { stroke: #ddd }
.limit { stroke: #f66 } }
"""


def bars_of(result, reference):
    """(name, estimate) of each contender."""
    base = result[reference]["rounds"]["cpu"]
    return [(name, ratios.paired(f["rounds"]["cpu"], base)) for name, f in result.items()]


def limits_of(verdicts, reference):
    """The limits of CPU against the reference, by the contender they bind."""
    found = {}
    for verdict in verdicts:
        words = verdict["bar"].split()
        subject, slash, of = words[0].partition("/")
        if slash and of == reference and words[1:3] == ["cpu", "<="]:
            found[subject] = float(words[3])
    return found


def line(x1, y1, x2, y2, kind):
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(x, y, words, kind="", anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def draw_bar(x, y, scale, name, estimate, limit):
    middle = y + BAR_HEIGHT / 2
    kind = "own" if name.startswith("ringline") else "other"
    parts = [
        text(x + LABEL_WIDTH - 8, middle + 4, name, anchor="end"),
        f'<rect class="{kind}" x="{x + LABEL_WIDTH}" y="{y + 3}" width="{estimate.median * scale:.1f}" '
        f'height="{BAR_HEIGHT - 6}"/>',
        line(x + LABEL_WIDTH + estimate.low * scale, middle, x + LABEL_WIDTH + estimate.high * scale, middle, "whisker"),
        text(x + PANEL_WIDTH, middle + 4, estimate.text(), "value", "end"),
    ]
    if limit:
        at = x + LABEL_WIDTH + limit * scale
        parts.append(line(at, y, at, y + BAR_HEIGHT, "limit"))
    return parts


def panel(x, y, row, reference):
    """A row's panel, and its height."""
    bars = bars_of(row["result"], reference)
    limits = limits_of(row["bars"], reference)
    longest = max(max(e.high for _, e in bars), *limits.values(), 1)
    scale = (PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH) / longest
    parts = [text(x, y + 12, f"{row['row']}: CPU per request / {reference}", "title")]
    for i, (name, estimate) in enumerate(bars):
        parts += draw_bar(x, y + 20 + i * BAR_HEIGHT, scale, name, estimate, limits.get(name))
    return parts, 20 + len(bars) * BAR_HEIGHT + MARGIN


def draw(results, reference_of):
    """The picture of all rows that compare contenders, as text; empty if there are none."""
    parts, heights = [], [MARGIN] * COLUMNS
    for row in results:
        reference = reference_of(row["result"]) if row["result"] else None
        if not reference or "cpu" not in row["result"][reference].get("rounds", {}):
            continue
        column = heights.index(min(heights))
        drawn, height = panel(MARGIN + column * (PANEL_WIDTH + 2 * MARGIN), heights[column], row, reference)
        parts += drawn
        heights[column] += height
    if not parts:
        return ""
    width = COLUMNS * (PANEL_WIDTH + 2 * MARGIN)
    height = max(heights)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{STYLE}</style>", f'<rect class="page" width="{width}" height="{height}"/>', *parts, "</svg>", ""])
