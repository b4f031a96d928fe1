"""The operations centre's Grafana dashboards as code.

::

    builder/    a small typed builder: dataclasses -> classic dashboard JSON (Grafana 11.6 to 13)
    palette.py  what a colour means, in a dark and in a light control room
    pages.py    every page there is; wall, domain, sensor, incident, statistics, quality, platform and public make them
    queries/    the SQL of pages, on the public `city.*` views only; more of it in sql/, by page
    lint/       the mistakes no schema finds
    proof/      what Grafana does to a query and to its rows, so that every query runs without a Grafana
    preview/    pages drawn with their real answers, without a Grafana
    files.py    JSON and provisioning files for a Grafana that reads them from disk
    client.py   one Grafana over its API: retries, and errors in words
    plan.py     what a push would change; push.py does it, and deletes what is no longer shipped
    watchdog.py Grafana's own alert rules over the platform, a second path

Grafana only shows: whoever wants to act on an incident follows a link to the operations page.
"""
