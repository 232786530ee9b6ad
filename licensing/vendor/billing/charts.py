"""Bar charts as SVG that stands in a page by itself: no script, no font, no colour that a grey printer would lose.

Pure. Labels are set as text nodes by an XML writer, never pasted into markup. Values are whole numbers; an axis is cut
at one, two or five times a power of ten, so that its marks can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from licensing.shown import shown

WIDTH, LEFT, BOTTOM, TOP = 720, 64, 26, 8
SHADES = ("#26547c", "#9db4c8", "#e0a458")
"""Dark, middle, light: told apart without colour as well."""
INK, RULE = "#333333", "#d9d9d9"


def columns(
    labels: Sequence[str], series: Sequence[tuple[str, Sequence[int]]], *, title: str, height: int = 190
) -> str:
    """Upright bars, one for each label, stacked by series. `series` are names, with a value for each label."""
    sums = [sum(values[place] for _, values in series) for place in range(len(labels))]
    top = ceiling(max(sums, default=0))
    svg, floor = _canvas(title, height), height - BOTTOM
    scale = (floor - TOP) / top
    for part in range(5):
        y = floor - (floor - TOP) * part / 4
        _line(svg, LEFT, y, WIDTH, y)
        _text(svg, LEFT - 6, y + 4, spoken(top * part // 4), "end")
    pitch = (WIDTH - LEFT) / max(len(labels), 1)
    every = max(1, -(-len(labels) * 34 // (WIDTH - LEFT)))
    for place, label in enumerate(labels):
        x, y = LEFT + pitch * place + pitch * 0.15, float(floor)
        for number, (name, values) in enumerate(series):
            tall = values[place] * scale
            y -= tall
            _bar(svg, (x, y, pitch * 0.7, tall), number, f"{label}, {name}: {values[place]:,}")
        if place % every == 0:
            _text(svg, x + pitch * 0.35, height - 8, label, "middle")
    return _written(svg)


def bars(values: Sequence[tuple[str, int]], *, title: str) -> str:
    """Lying bars with their label before and their value after them, in the order given."""
    high, label_width = 20, 190
    svg = _canvas(title, high * len(values) + 4)
    most = max((value for _, value in values), default=0) or 1
    for place, (label, value) in enumerate(values):
        y = high * place + 2
        _text(svg, label_width - 8, y + 13, shown(label, 30), "end")
        wide = (WIDTH - label_width - 90) * value / most
        _bar(svg, (label_width, y, wide, high - 6), 0, f"{shown(label)}: {value:,}")
        _text(svg, label_width + wide + 6, y + 13, f"{value:,}", "start")
    return _written(svg)


def ceiling(value: int) -> int:
    """The least of 4, 8, 20, 40, 80, 200 … that holds the value: quarters of it are whole."""
    step = 4
    while step < value:
        step = step * 5 // 2 if str(step)[0] == "8" else step * 2
    return step


def spoken(value: int) -> str:
    """A number short enough for an axis: 25,000 is 25k."""
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return str(value)


def _canvas(title: str, height: int) -> ET.Element:
    svg = ET.Element("svg", {"viewBox": f"0 0 {WIDTH} {height}", "role": "img", "aria-label": title})
    ET.SubElement(svg, "title").text = title
    return svg


def _bar(svg: ET.Element, box: tuple[float, float, float, float], shade: int, told: str) -> None:
    x, y, wide, tall = (f"{side:.2f}" for side in box)
    colour = SHADES[shade % len(SHADES)]
    bar = ET.SubElement(svg, "rect", {"x": x, "y": y, "width": wide, "height": tall, "fill": colour})
    ET.SubElement(bar, "title").text = told


def _line(svg: ET.Element, x1: float, y1: float, x2: float, y2: float) -> None:
    ends = {"x1": f"{x1:.2f}", "y1": f"{y1:.2f}", "x2": f"{x2:.2f}", "y2": f"{y2:.2f}"}
    ET.SubElement(svg, "line", {**ends, "stroke": RULE, "stroke-width": "1"})


def _text(svg: ET.Element, x: float, y: float, words: str, anchor: str) -> None:
    places = {"x": f"{x:.2f}", "y": f"{y:.2f}", "text-anchor": anchor, "font-size": "11", "fill": INK}
    ET.SubElement(svg, "text", places).text = words


def _written(svg: ET.Element) -> str:
    return ET.tostring(svg, encoding="unicode")
