"""Trials: the live engine over times and readings that somebody wrote down or that were recorded.

`run` drives an engine as the watcher does, through arrivals and through the time between them; `story` keeps what it
told. Rule tests (`series`, `casefile`, `cases`), explanations (`explain`) and backtests are built on these two.
"""
