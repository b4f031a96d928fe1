"""Long histories with known truth: years of a few neighbouring sensors at once, a pure function of domain and seed.

The live city (`gateway.physics`) must answer for any instant alone; a judge of detectors needs years, fast. Here whole
neighbourhoods are drawn in columns, from counter-based streams (Philox) named by seed and purpose, so that a longer
history begins with the shorter one, and one sensor's draws never depend on another's. docs/simulated-city.md has the
physics and where its amounts come from.
"""
