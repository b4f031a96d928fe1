"""The operations centre's Grafana dashboards as code.

::

    builder/    a small typed builder: dataclasses -> classic dashboard JSON (Grafana 11.6 to 13)
    palette.py  what a colour means, in a dark and in a light control room
    pages.py    every page there is
    queries.py  the SQL of the wall, on the public `city.*` views only
    wall.py     the city wall: one screen that says whether the city is fine, and where not
    files.py    JSON and provisioning files for a Grafana that reads them from disk
    push.py     the same dashboards over Grafana's API
    proof.py    what Grafana does to a query and to its rows, so that tests can run every query without a Grafana

Grafana only shows: whoever wants to act on an incident follows a link to the operations page.
"""
