"""Where things stand in a sensor's row: 1,024 bytes, seen as float32, float64, int64 and uint16 at once.

Times and slow levels are wide, because a gain of one in a million must still move them; the rest is float32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.early.channels import CHANNELS

WIDTH = 256  # float32 places in a row
LARGEST = 1e12  # readings beyond it cannot be used
SOUGHT = 150  # samples for the range of the histograms

# int64 and float64 places.
LAST_US, LEVEL, SLOW, PREVIOUS = 0, 2, 3, 4

# float32 places. Scales are mean absolute values.
SAME_S = 2  # how long it has said the same
TOGETHER_TOP, TOGETHER_THRESHOLD = 3, 255  # of what all channels say together
(
    COUNT,  # usable samples so far, counted up to a million
    SEEN_D,  # days seen up to the last tick
    TICK_S,  # seconds seen since
    TICKS,
    USUAL_S,  # usual interval
    NEAR,  # where the deviation from level and habits now stands, by a local-level filter
    STEP,  # smallest change seen: the resolution of the sensor
    NOISE,  # scale of the innovation
    CHANGE,  # scale of the change from one sample to the next
    SPREAD,  # scale of the deviation
    POWER,  # change squared, and times its predecessor: what the filter's gain follows from
    COPOWER,
    FROZEN_S,  # how long learning has stood still
    TREND,  # deviation from the slow level over two days
    TREND_SCALE,
    ACTIVITY,  # recent innovation power, and its usual value
    ACTIVITY_USUAL,
    ECHO,  # deviation times habit, habit squared, and the scale of their ratio
    ECHO_POWER,
    ECHO_SCALE,
    LOW,  # histogram: its lower end, width of a bin, and what it holds
    BIN,
    HELD,
    HOUR,  # place in the habits of the last sample
    WAITING,  # samples to wait after a pause
    BAND,  # innovation at which the spike channel is abnormal, in scales
) = range(12, 38)
AVERAGE = 38  # 4: deviation averaged over 4, 16, 64, 256 usual intervals
AVERAGE_SCALE = 42  # 4
HABIT = 58  # 48: deviation by hour, working days then weekends
HISTOGRAM = 212  # uint16 place: 38 counts
SHOWN = 125  # the deviation that is expected: NEAR, but for what is suspicious
LOUD = 252  # uint16 place: 8 bytes, how loud its noise is by the time of day
TAIL = 128  # 4 for each channel
CHANNEL_COUNT = len(CHANNELS)
# Of the tails: the largest of this block; then what lies beyond a threshold, by its first two moments.
TOP, THRESHOLD, EXCESS, EXCESS_2 = 0, CHANNEL_COUNT, 2 * CHANNEL_COUNT, 3 * CHANNEL_COUNT

REGRESSORS = 6  # the sensor's habits, four neighbours, a lagged temperature
COVARIANCE = TAIL + 4 * CHANNEL_COUNT  # 28: moments of the regressors and the sensor, lower triangle
SLOPE = COVARIANCE + (REGRESSORS + 1) * (REGRESSORS + 2) // 2
NEIGHBOUR_MEAN = SLOPE + REGRESSORS  # 4
LAGGED = NEIGHBOUR_MEAN + 4
PRESENT = LAGGED + 1  # 4: how often a neighbour has a value, and a new one: two uint16 each, 65,535 is always
NEIGHBOUR_LAST = PRESENT + 4  # 4: the last values seen
(
    REST,  # where what the neighbours leave now stands
    REST_NOISE,
    REST_SPREAD,
    REST_POWER,
    REST_COPOWER,
    REST_D,  # days that neighbours were there
    WET_S,  # how long rain still explains what standing water does
    REST_LAST_CHANGE,
) = range(NEIGHBOUR_LAST + 4, NEIGHBOUR_LAST + 12)
# What a sensor without neighbours has in the place of what is known of them.
HISTOGRAM_2, HISTOGRAM_3 = 2 * COVARIANCE, 2 * COVARIANCE + 38
LOW_2, LOW_3 = COVARIANCE + 38, COVARIANCE + 40
SMOOTH, CENTRE, WOBBLE = range(COVARIANCE + 42, COVARIANCE + 45)
# The same of a sensor whose kind nobody knows; where its four histograms begin and how wide their bins are stands where
# others have what neighbours leave on average.
SCALES, SCALES_LOW = 2 * COVARIANCE, 46
SMOOTHER, SLOWER = 54, 55
REST_AVERAGE = 46  # 5: over 4, 16, 64, 256 intervals and two days
REST_SCALE = 51  # 5
LAST_CHANGE, REST_LAST = 56, 57
OWN_MEAN = 5  # float64: the sensor's own mean of ten days, as its neighbours' are taken

# Places in a nature's row of parameters.
TRANSFORM, OFFSET, CLIP, BUDGET, GAP_S, GATE, NEIGHBOURS, HOURLY, BACK, UNKNOWN = range(10)
TOGETHER_EXCESS, TOGETHER_SHAPE = 10, 11
WEIGHT = 12  # one for each channel, then the threshold, mean excess and shape it starts with
START_THRESHOLD = WEIGHT + CHANNEL_COUNT
START_EXCESS = START_THRESHOLD + CHANNEL_COUNT
START_SHAPE = START_EXCESS + CHANNEL_COUNT
NATURE_WIDTH = START_SHAPE + CHANNEL_COUNT

# Places that are not float32.
_OTHERS = (0, SAME_S), (TOGETHER_TOP + 1, COUNT), (HISTOGRAM // 2, SHOWN), (LOUD // 2, TAIL), (COVARIANCE, REST_D)


def sound(rows: NDArray[np.float32]) -> bool:
    """Whether rows (n, WIDTH) can be a sensor's: what is not finite would be taken for a place in memory."""
    ends = [*(begin for begin, _ in _OTHERS), WIDTH]
    finite = all(np.isfinite(rows[:, old:new]).all() for (_, old), new in zip(_OTHERS, ends[1:], strict=True))
    beside = rows[rows[:, REST_D] >= 0]  # without neighbours counts stand there
    finite = finite and all(
        np.isfinite(beside[:, a:b]).all() for a, b in ((COVARIANCE, PRESENT), (PRESENT + 4, REST_D))
    )
    wide = np.isfinite(rows[:, 2 * LEVEL : COUNT].view(np.float64)).all()
    tails = (rows[:, TAIL + THRESHOLD : TAIL + EXCESS_2] > 0).all(axis=1) & (rows[:, TOGETHER_THRESHOLD] > 0)
    widths = rows[rows[:, HELD] >= SOUGHT, BIN]  # until then the largest value stands there, which may be below 0
    counts = (tails | (rows[:, COUNT] == 0)).all() and (rows[:, COUNT] >= 0).all()
    return bool(finite and wide and counts and (widths >= 0).all())
