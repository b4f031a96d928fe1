"""The fleet engine: early signs of any sensor as return periods, a hundred thousand sensors on one core.

Start at `fleet` (columns in, columns out) or `detector` (the same behind the protocol of all detectors). `kernel` is
the step of one sample, plain Python that `compiled` hands to numba; `natures` is the one frozen configuration.
"""
