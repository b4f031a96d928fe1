"""Notify: from a row in the outbox to a person's phone, at least once.

Reading order: `letter` (what a channel is handed, what it may answer), `policy` (when to try again, hand on, stop;
pure), `wording`, `brief` and `render` (the words), `picture` and `gallery` (the last 24 hours), `access` (secrets and
trust), `webhook`, `mail`, `mqtt` and `services` (the channels), `outbox` (the table), `lanes` (who gets a worker),
`outcomes` and `channelwatch` (channels that fail), `heartbeat`, `links` (the signed page), `notifier` (the role that
puts them together). A new channel is one module with a `send` and one line in `channels`.
"""

from rules.notify.notifier import NotifierSettings, run_notifier

__all__ = ["NotifierSettings", "run_notifier"]
