"""What `lifeline bench faults` and `lifeline bench city-hour` are made of: a known truth, things to break, counting."""
