"""Rules: from readings and findings to alarms, incidents, escalation and notices.

The engine is pure: `rules.engine.Engine.step(entry, now_us)` takes what the journal says and returns effects, each with
its reason and evidence. It reads no clock and touches no I/O, so live, replay and tests run the same code. The shells
are `rules.watcher` (follows the journal), `rules.persist` (writes effects) and `rules.notify` (delivers notices).

Reading order: `inputs` and `effects` (what goes in and out), `conditions` (true, false, unknown), `ladder` (delays and
levels of one rule on one sensor), `fold` (late data), `silence`, `incidents` and `desk` (people), `engine` (all
together). What people write is read by `bookfile`, `conditionfile` and `escalationfile`; `check` puts them together.
"""
