"""The judge of detection: what detectors see, how early, and how often they cry wolf. `lifeline bench detection`."""
