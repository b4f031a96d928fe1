"""One module per command. Each imports what it needs inside its function, so that `lifeline --help` stays fast."""
