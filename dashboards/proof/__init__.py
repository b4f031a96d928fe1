"""What Grafana does to a query and to its rows, so that a page's data can be had, and proven right, without a Grafana.

::

    variables.py  the browser: variables in SQL, titles and links
    macros.py     the data source: `$__interval`, comments, macros
    frames.py     the rows as panels get them: kinds of columns, series, fills
    asking.py     every question of a page, asked on a database

Rules as of Grafana 11.6 to 13. Where its versions differ, what a page asks is an error here.
"""

from dashboards.proof.asking import CHOICES, Answer, Choice, Question, ask, choose, offered, panels, questions
from dashboards.proof.frames import Frame, Kind, Wide, frame, kind_of, to_wide
from dashboards.proof.macros import Fill, Range, Sent, expand, interval_s, send
from dashboards.proof.variables import ALL, ProofError, Values, interpolate

__all__ = [
    "ALL",
    "CHOICES",
    "Answer",
    "Choice",
    "Fill",
    "Frame",
    "Kind",
    "ProofError",
    "Question",
    "Range",
    "Sent",
    "Values",
    "Wide",
    "ask",
    "choose",
    "expand",
    "frame",
    "interpolate",
    "interval_s",
    "kind_of",
    "offered",
    "panels",
    "questions",
    "send",
    "to_wide",
]
