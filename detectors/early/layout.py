"""Where things stand in a sensor's row: 1,024 bytes, seen as float32, float64, int64 and uint16 at once.

Times and slow levels are wide, because a gain of one in a million must still move them; the rest is float32.
"""

from __future__ import annotations

from detectors.early.channels import CHANNELS

WIDTH = 256  # float32 places in a row

# int64 and float64 places.
LAST_US, CHANGE_US, LEVEL, SLOW, PREVIOUS = 0, 1, 2, 3, 4

# float32 places. Scales are mean absolute values.
(
    COUNT,  # usable samples so far, counted up to a million
    SEEN_D,  # days seen up to the last tick
    TICK_S,  # seconds seen since
    TICKS,
    USUAL_S,  # usual interval
    WAITING,  # samples to wait after a pause
    DEVIATION,  # previous deviation from level and habits
    STEP,  # smallest change seen: the resolution of the sensor
    NOISE,  # scale of the innovation
    CHANGE,  # scale of the change from one sample to the next
    SPREAD,  # scale of the deviation
    POWER,  # deviation squared, and times its predecessor: their ratio is the AR(1) coefficient
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
    BAND,  # innovation at which the spike channel is abnormal, in scales
) = range(10, 36)
AVERAGE = 36  # 4: deviation averaged over 4, 16, 64, 256 usual intervals
AVERAGE_SCALE = 40  # 4
HABIT = 56  # 48: deviation by hour, working days then weekends
HISTOGRAM = 208  # uint16 place: 64 counts
TAIL = 136  # 4 for each channel
TOP, THRESHOLD, EXCESS, EXCESS_2 = 0, 1, 2, 3  # largest of this block; then the tail beyond a threshold
CHANNEL_COUNT = len(CHANNELS)
NEIGHBOUR = TAIL + 4 * CHANNEL_COUNT  # the rest: what is known of the neighbours

# Places in a nature's row of parameters.
TRANSFORM, OFFSET, CLIP, BUDGET, GAP_S, GATE = range(6)
WEIGHT = 6  # one for each channel, then the threshold, mean excess and shape it starts with
START_THRESHOLD = WEIGHT + CHANNEL_COUNT
START_EXCESS = START_THRESHOLD + CHANNEL_COUNT
START_SHAPE = START_EXCESS + CHANNEL_COUNT
NATURE_WIDTH = START_SHAPE + CHANNEL_COUNT
