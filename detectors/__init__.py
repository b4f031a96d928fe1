"""Online detectors of early signs: one small state per sensor, one finding per sample, no I/O and no clock.

Start at `detectors.protocol` (what a detector promises), then `detectors.registry` (which there are). The promises are
laws that tests/detectors/test_laws.py applies to every detector the registry knows. A detector says BLIND when it
cannot see (warming up, after a pause, a bad reading); it never says NORMAL instead. A finding is evidence for a rule,
not an alarm: score 1 is the detector's own limit, and the rule book decides what that is worth.
"""
