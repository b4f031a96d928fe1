"""Where a gateway's readings come from, each behind the same small interface (see `gateway.sources.source`)."""
