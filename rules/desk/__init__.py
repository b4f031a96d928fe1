"""The desk: incidents, and whom their escalation chains tell when."""
