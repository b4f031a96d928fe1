"""What the detectors of gas and water say is said in Chinese, too."""

from __future__ import annotations

import pytest

from rules.language.saying import say_reason


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("pressure fell 12.5 kPa: a leak; methane rises at ch4-n-01", "压力下降 12.5 kPa：泄漏；ch4-n-01 处甲烷上升"),
        (
            "pressure fell 9.0 kPa: a supply event; 2 of 2 other stations fell with it",
            "压力下降 9.0 kPa：供气侧事件；其余 2 站中 2 站同时下降",
        ),
        (
            "water 4.2 cm, 15 cm in 12 to 40 min; rain 31.0 mm/h",
            "水深 4.2 cm，预计 12 至 40 分钟后达到 15 cm；降雨 31.0 mm/h",
        ),
        ("water 4.2 cm, 15 cm in 12 min at the earliest", "水深 4.2 cm，最早 12 分钟后达到 15 cm"),
        (
            "stands at 8.3 cm after 6 h of dry weather: a fouled sensor, not a flood",
            "无雨 6 小时后仍显示 8.3 cm：传感器污损，并非积水",
        ),
        (
            "water falls to a third in 2.6 h, used to in 1.0 h, after 6 floods",
            "水深降至三分之一需 2.6 小时，以往为 1.0 小时（共 6 次积水）",
        ),
        (
            "least flow of the night 304.4 m3/h, usual is 252.4",
            "夜间最小流量 304.4 m³/h，平常为 252.4",
        ),
        ("something; a person typed", "something; a person typed"),
    ],
)
def test_reasons_are_said_in_chinese(reason: str, told: str) -> None:
    assert say_reason(reason, "zh") == told


def test_what_is_more_likely_stands_beside_the_rise_of_methane() -> None:
    rise = "methane 15.00 %LEL over a baseline of 1.00, limit 2.95, for 60 s"
    told = say_reason(f"{rise}; rather a leak, leak score 0.93", "zh")
    assert told.endswith("；更像燃气泄漏，泄漏评分 0.93")
    assert say_reason(f"{rise}; rather a leak, leak score 0.93", "en").startswith("methane 15.00 %LEL")
