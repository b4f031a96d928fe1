"""The shell around the rooms: the `lifeline` command, its settings, the supervisor of its processes, HTTP.

Way in: `cli` (one module per command under `commands/`). `settings` says where things are, `supervisor` starts the
servers and roles that are not given and keeps them alive, `demo` plays a simulated city on top of it.
"""
