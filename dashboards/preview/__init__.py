"""Pages drawn without a Grafana, with the real answers of their questions: plainly marked as a preview.

::

    page.py     one page: its variables, its questions, its repeated panels; where each panel stands
    fields.py   how a value is written and coloured, by the panel's own field settings
    reshape.py  the transformations our pages use
    draw.py     tiles, tables and text
    trends.py   time series and state timelines
    maps.py     markers and outlines
    canvas.py   shapes, and how wide text is
    svg.py      shapes as SVG in an HTML page
    png.py      the same shapes as a picture (matplotlib)

It shows titles, sizes, data, colours and links as designed. It is no Grafana: fonts, ticks and rounding differ.
"""

from dashboards.preview.page import Look, preview

__all__ = ["Look", "preview"]
