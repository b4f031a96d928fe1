"""Deployments: the folder that a whole Lifeline runs from, with its secrets, certificates and the broker's rules."""
