"""The city as data: districts, sites, gateways, sensors, quantities, units, readings, time and words.

Everything here is pure (no I/O, no clock) except two shells: `city.clock`, the one file that reads the clock, and
`city.folder`, which reads a city folder from disk. Every other room may import this one; it imports none of them.
"""
