"""Alarms: delays and levels of one rule on one scope, exact in event time, whatever the order of arrival."""
