"""Benchmarks with permanent names; each is seeded, describes its machine, and checks that nothing was lost.

`pipeline`: readings from MQTT publish to committed row, to evaluated rule and to alarm, on the real roles as processes.
"""
