"""HTTP: the operations page, the crew page behind a notice's link, the JSON API and the metrics.

Everything is rendered on the server and works without JavaScript. Pages and API read the public views and append
commands to the journal; they change nothing else. Reading order: `app` (settings, wiring, start), `guard` (who may
come in), `data` (reading), `commands` (writing), `look` (templates and words), then `pages`, `crew`, `api`, `metrics`
and `plot`.
"""
