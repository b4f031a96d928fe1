"""Rules: from readings and findings to alarms, incidents, escalation and notices.

The engine is pure: `rules.engine.Engine.step(seq, entry, now_us)` takes what the journal says and returns effects, each
with its reason and evidence. It reads no clock and touches no I/O, so live, replay, rule tests and backtests run the
same code. The shells are `rules.watcher` (follows the journal), `rules.persist` (writes effects) and `rules.notify`
(delivers notices).

=============  =====================================================================================================
`language/`    what people write: rule books read and checked, every fault with its place
`conditions/`  true, false or unknown: what a level asks of the readings
`alarm/`       delays and levels of one rule on one sensor, late data, silence
`desk/`        people: incidents, chains, rosters, notices
`notify/`      the shell that delivers notices
=============  =====================================================================================================

Reading order: `inputs` and `effects` (what goes in and out), `book`, `intake`, `engine` (all together), then the rooms.
"""
