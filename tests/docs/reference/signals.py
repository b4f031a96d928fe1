"""The pages of metrics and of log events."""

from __future__ import annotations

from lifeline.http.metriclist import METRICS
from lifeline.logevents import EVENTS
from tests.docs.reference.markdown import code, page, prose, table


def metrics_page() -> str:
    """Every family of `/metrics`."""
    intro = "Every family of `/metrics`, in the format of OpenMetrics: names end with the unit, and with \
`_total` when they only count up. Values without a unit are counts, or 0 and 1. Explained in \
[metrics, logs and traces](../sight.md)."
    rows = (
        (
            code(one.name), one.kind, one.unit, prose(one.sentence),
            "; ".join(f"{code(label)}: {prose(bound)}" for label, bound in one.labels.items()),
        )
        for one in METRICS
    )  # fmt: skip
    return page("Metrics", intro, table(("metric", "kind", "unit", "what", "labels"), rows))


def events_page() -> str:
    """Every event of the logs."""
    intro = "What lines of the log have as `action`. Names stay; sentences may be mended. Explained in \
[metrics, logs and traces](../sight.md)."
    return page(
        "Log events", intro, table(("event", "what"), ((code(name), prose(says)) for name, says in EVENTS.items()))
    )
