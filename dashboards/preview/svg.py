"""A canvas as an HTML page with one SVG: nothing in it asks any server."""

from __future__ import annotations

from html import escape

from dashboards.preview.canvas import Box, Canvas, Dot, Path, Shape, Words

FONTS = "Inter, Roboto, 'Helvetica Neue', Arial, 'Noto Sans CJK SC', 'Noto Sans SC', 'Microsoft YaHei', sans-serif"
PAGE = """\
<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{margin:0;background:{ground}}} svg{{display:block}} text{{font-family:{fonts}}} a{{cursor:pointer}}</style>
</head><body>
<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}">
{shapes}
</svg></body></html>
"""


def html(canvas: Canvas, title: str, language: str) -> str:
    """The whole page."""
    shapes = "\n".join(_shape(shape) for shape in canvas.shapes)
    return PAGE.format(
        language=language,
        title=escape(title),
        ground=canvas.ground,
        fonts=FONTS,
        width=canvas.width,
        height=canvas.height,
        shapes=shapes,
    )


def _shape(shape: Shape) -> str:
    match shape:
        case Box():
            a = shape.area
            made = f'<rect x="{a.x:.1f}" y="{a.y:.1f}" width="{a.w:.1f}" height="{a.h:.1f}"'
            return _linked(
                made + _paint(shape.fill, shape.stroke) + _opacity(shape.opacity), "rect", shape.tip, shape.href
            )
        case Dot():
            made = f'<circle cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:.1f}"'
            return _linked(made + _paint(shape.fill, shape.stroke), "circle", shape.tip, shape.href)
        case Path():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
            name = "polygon" if shape.fill else "polyline"
            dash = ' stroke-dasharray="6 4"' if shape.dashed else ""
            paint = _paint(shape.fill, shape.stroke, shape.width)
            return f'<{name} points="{points}"{paint}{dash}{_opacity(shape.opacity)}/>'
        case Words():
            weight = ' font-weight="600"' if shape.bold else ""
            made = f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:.1f}" fill="{shape.fill}"{weight}'
            made += f' text-anchor="{shape.anchor}">{escape(shape.text)}</text>'
            return f'<a href="{escape(shape.href)}">{made}</a>' if shape.href else made


def _paint(fill: str, stroke: str, width: float = 1.0) -> str:
    line = f' stroke="{stroke}" stroke-width="{width:g}"' if stroke else ""
    return f' fill="{fill or "none"}"{line}'


def _opacity(opacity: float) -> str:
    return f' opacity="{opacity:g}"' if opacity < 1 else ""


def _linked(made: str, name: str, tip: str, href: str) -> str:
    whole = f"{made}><title>{escape(tip)}</title></{name}>" if tip else f"{made}/>"
    return f'<a href="{escape(href)}">{whole}</a>' if href else whole
