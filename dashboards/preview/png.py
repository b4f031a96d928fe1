"""The same canvas as a picture, through matplotlib."""

from __future__ import annotations

from pathlib import Path as File
from typing import Any

from dashboards.preview.canvas import Box, Canvas, Dot, Path, Shape, Words

DPI = 100
FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Microsoft YaHei", "DejaVu Sans"]
_ALIGN = {"start": "left", "middle": "center", "end": "right"}


def write_png(canvas: Canvas, path: File) -> None:
    """Draw the canvas into a file, one pixel for one pixel."""
    import logging

    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    quiet = logging.getLogger("matplotlib.font_manager")  # it tells of every font of the list that is not there
    before = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with rc_context({"font.family": FONTS}):
            figure = Figure(figsize=(canvas.width / DPI, canvas.height / DPI), dpi=DPI, facecolor=canvas.ground)
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set_axis_off()
            axes.set_xlim(0, canvas.width)
            axes.set_ylim(canvas.height, 0)
            for order, shape in enumerate(canvas.shapes):
                axes.add_artist(_artist(shape, order))
            FigureCanvasAgg(figure)
            figure.savefig(path, format="png")
    finally:
        quiet.setLevel(before)


def _artist(shape: Shape, order: int) -> Any:  # noqa: ANN401 - one of several artists of a library
    from matplotlib.lines import Line2D
    from matplotlib.patches import Circle, Polygon, Rectangle
    from matplotlib.text import Text

    points = 72 / DPI
    made: Any = None
    match shape:
        case Box():
            a = shape.area
            made = Rectangle((a.x, a.y), a.w, a.h, linewidth=points, alpha=shape.opacity)
            made.set(facecolor=shape.fill or "none", edgecolor=shape.stroke or "none")
        case Dot():
            made = Circle((shape.x, shape.y), shape.radius, linewidth=points)
            made.set(facecolor=shape.fill, edgecolor=shape.stroke or "none")
        case Path(fill=fill) if fill:
            made = Polygon(list(shape.points), closed=True, linewidth=shape.width * points, alpha=shape.opacity)
            made.set(facecolor=fill, edgecolor=shape.stroke or "none")
        case Path():
            made = Line2D([x for x, _ in shape.points], [y for _, y in shape.points], alpha=shape.opacity)
            made.set(color=shape.stroke, linewidth=shape.width * points, linestyle="--" if shape.dashed else "-")
        case Words():
            made = Text(
                shape.x, shape.y, shape.text.replace("$", r"\$"), color=shape.fill, fontsize=shape.size * points
            )
            made.set(horizontalalignment=_ALIGN[shape.anchor], verticalalignment="baseline")
            made.set_fontweight("bold" if shape.bold else "normal")
    made.set_zorder(order)
    return made
