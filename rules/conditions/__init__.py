"""Conditions: what a level asks of the readings, answered true, false or unknown, with the evidence."""
