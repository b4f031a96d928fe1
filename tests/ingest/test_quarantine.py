"""What was refused is taken in once the register is mended: nothing lost, nothing twice, accounts that add up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from city.clock import ManualClock, from_us, to_us
from city.errors import InputError
from city.load import load_city
from city.mapping import load_mappings
from city.words import languages
from ingest.decoders import Decoders
from ingest.intake import Delivery
from ingest.quarantine import Replayed, Wish, groups, one, replay
from ingest.reasons import Reason
from ingest.retelling import advice
from ingest.writer import BatchWriter
from store import bundle, journal
from store.connection import Connection
from tests.ingest.edge_node import birth, metric

TOPIC = "lifeline/v1/north/gw-1/readings"
START = datetime(2026, 7, 1, tzinfo=UTC)
START_US = to_us(START)


class Rig:
    """A recorder's writer that is fed by hand, and the quarantine."""

    def __init__(self, conn: Connection, files: Mapping[str, str]) -> None:
        self.conn, self.files, self.clock = conn, dict(files), ManualClock(START)
        self.writer, self.decoders = BatchWriter(conn, self.clock), Decoders()

    def hear(self, payload: bytes, topic: str = TOPIC, received_us: int = START_US) -> None:
        self.writer.commit([Delivery(self.decoders.decode(topic, payload, received_us), received_us, payload, 1, 1)])

    def mend(self, **files: str) -> None:
        self.files |= {
            name.replace("__", "/") + (".yaml" if "__" in name else ".csv"): text for name, text in files.items()
        }
        bundle.apply(self.conn, self.files, load_city(self.files), self.clock.now())

    def add(self, *rows: str) -> None:
        blank = ",,,,"
        self.mend(sensors=self.files["sensors.csv"] + "".join(f"{row}{blank}\n" for row in rows))

    def replay(self, wish: Wish | None = None) -> Replayed:
        self.clock.advance(3600)
        return replay(self.conn, wish or Wish(), self.clock.now)

    def stored(self) -> list[tuple[str, float]]:
        return self.conn.execute("SELECT sensor, value FROM city.readings ORDER BY sensor, time").fetchall()

    def waiting(self) -> list[tuple[str, str]]:
        query = "SELECT reason, sensor FROM city.rejections WHERE replayed_at IS NULL ORDER BY rejection"
        return self.conn.execute(query).fetchall()

    def journaled(self) -> int:
        entries = journal.read(self.conn, 0, 100_000)
        return sum(len(journal.decode_readings(e.payload)) for e in entries if e.kind == "readings")

    def account(self, gateway: str = "gw-1") -> tuple[int, ...]:
        """Published, stored, repeated, rejected; they add up."""
        row = self.conn.execute(
            "SELECT published, stored, repeated, rejected FROM city.gateways WHERE gateway = %s", (gateway,)
        ).fetchone()
        assert row is not None
        assert row[0] == sum(row[1:]), row
        hours = self.conn.execute(
            "SELECT published, stored, repeated, rejected FROM city.gateway_hours WHERE gateway = %s", (gateway,)
        ).fetchall()
        assert all(published == sum(rest) for published, *rest in hours), hours
        assert row == tuple(map(sum, zip(*hours, strict=True)))
        return row


@pytest.fixture
def rig(conn: Connection, files: dict[str, str]) -> Rig:
    return Rig(conn, files)


def message(sensors: Sequence[str], value: float = 5.0, at_s: float = 0, **more: object) -> bytes:
    readings = [
        {"sensor": name, "time": (START + timedelta(seconds=at_s)).isoformat(), "value": value, **more}
        for name in sensors
    ]
    return json.dumps({"readings": readings}).encode()


def test_an_unknown_sensor_is_taken_in_once_it_is_known(rig: Rig) -> None:
    for at_s in range(3):
        rig.hear(message(["new-1", "wl-000"], at_s, at_s + 0.000_25))
    assert rig.account() == (6, 3, 0, 3)
    assert rig.replay() == Replayed(looked=3)  # still unknown
    rig.add("new-1,gw-1,s1,water_depth,cm,10")
    assert rig.replay() == Replayed(looked=3, rows=3, stored=3)
    assert rig.stored() == [("new-1", 0), ("new-1", 1), ("new-1", 2), ("wl-000", 0), ("wl-000", 1), ("wl-000", 2)]
    times = rig.conn.execute("SELECT time FROM city.readings WHERE sensor = 'new-1' ORDER BY time").fetchall()
    assert times[1] == (START + timedelta(seconds=1, microseconds=250),)  # to the microsecond
    assert (rig.waiting(), rig.journaled(), rig.account()) == ([], 6, (6, 6, 0, 0))
    assert rig.replay() == Replayed()
    assert (len(rig.stored()), rig.journaled(), rig.account()) == (6, 6, (6, 6, 0, 0))


def test_a_message_sent_again_meanwhile_counts_once(rig: Rig) -> None:
    rig.hear(message(["new-1"]))
    rig.add("new-1,gw-1,s1,water_depth,cm,10")
    rig.hear(message(["new-1"]))
    assert rig.replay() == Replayed(looked=1, rows=1, repeated=1)
    assert (rig.stored(), rig.journaled(), rig.account()) == ([("new-1", 5)], 1, (2, 1, 1, 0))


def test_another_value_in_the_meantime_is_a_conflict_told_once(rig: Rig) -> None:
    rig.hear(message(["new-1"], 5))
    rig.add("new-1,gw-1,s1,water_depth,cm,10")
    rig.hear(message(["new-1"], 6))
    rig.replay()
    assert rig.stored() == [("new-1", 6)]
    assert rig.waiting() == [("conflict", "new-1")]
    assert rig.account() == (2, 1, 0, 1)
    rig.replay()
    assert rig.waiting() == [("conflict", "new-1")]


def test_a_storm_is_replayed_whole_though_it_was_summed_up(rig: Rig) -> None:
    readings = [{"sensor": f"n-{at % 2}", "time": 1_782_864_000_000 + at, "value": at} for at in range(400)]
    rig.hear(json.dumps({"readings": readings}).encode())
    assert len(rig.waiting()) == 101
    rig.add("n-0,gw-1,s1,water_depth,cm,10")
    rig.replay()
    assert len(rig.stored()) == 200
    assert rig.account() == (400, 200, 0, 200)
    rig.add("n-1,gw-1,s1,water_depth,cm,10")
    rig.replay()
    assert (len(rig.stored()), rig.journaled(), rig.waiting(), rig.account()) == (400, 400, [], (400, 400, 0, 0))


def test_a_large_message_of_an_unknown_gateway_is_kept_whole(rig: Rig) -> None:
    readings = [{"sensor": "b-1", "time": 1_782_864_000_000 + at, "value": 1} for at in range(3_000)]
    rig.hear(json.dumps({"readings": readings}).encode(), "lifeline/v1/north/gw-9/readings")
    assert rig.waiting() == [("unknown_gateway", "")]
    rig.mend(gateways=rig.files["gateways.csv"] + "gw-9,north,10\n")
    rig.add("b-1,gw-9,s1,water_depth,cm,10")
    assert rig.replay() == Replayed(looked=1, rows=1, stored=3_000)
    assert rig.account("gw-9") == (3_000, 3_000, 0, 0)


def test_other_mended_things(rig: Rig) -> None:
    rig.hear(message(["t-1"]))  # belongs to gw-2
    rig.hear(message(["old-1"]))  # removed
    rig.hear(message(["wl-003"], unit="V"))
    rig.hear(message(["wl-004"], unit=7))  # refused by the decoder
    rig.hear(message(["wl-005"]), TOPIC.replace("north", "south"))
    assert [reason for reason, _ in rig.waiting()] == [
        "wrong_gateway",
        "out_of_service",
        "bad_unit",
        "bad_unit",
        "wrong_district",
    ]
    sensors = rig.files["sensors.csv"].replace("t-1,gw-2", "t-1,gw-1").replace("2020-01-01,2021-01-01", ",")
    rig.mend(sensors=sensors)
    rig.replay()
    assert [name for name, _ in rig.stored()] == ["old-1", "t-1"]
    assert rig.waiting() == [("bad_unit", "wl-003"), ("bad_unit", "wl-004"), ("wrong_district", "")]


def test_what_claimed_the_future_is_not_believed_because_it_waited(rig: Rig) -> None:
    rig.hear(message(["new-1"], at_s=600))
    rig.add("new-1,gw-1,s1,water_depth,cm,10")
    rig.replay()
    rows = rig.conn.execute("SELECT time, flag FROM city.readings").fetchall()
    assert rows == [(START, 3)]


def test_a_topic_nobody_knew_is_taken_in_by_a_mapping_of_later(rig: Rig) -> None:
    content = {"ts": 1_782_864_000, "level": 3}
    rig.hear(json.dumps(content).encode(), "acme/7/data")
    assert rig.waiting() == [("bad_topic", "")]
    mapping = (
        "version: 1\ntopic: acme/+/data\ngateway: gw-1\ntime: {path: $.ts, format: unix_s}\n"
        "values: [{path: $.level, sensor: wl-000}]\n"
    )
    rig.mend(mappings__acme=mapping)
    assert rig.replay() == Replayed(looked=1, rows=1, stored=1)
    rig.decoders.mappings = tuple(load_mappings(rig.files)[0])
    rig.hear(json.dumps(content | {"ts": 1_782_864_010}).encode(), "acme/7/data")
    assert rig.stored() == [("wl-000", 3), ("wl-000", 3)]
    assert rig.account() == (2, 2, 0, 0)


def test_sparkplug_readings_are_kept_as_they_were_understood(rig: Rig) -> None:
    rig.hear(birth(1_782_864_000_000, 0, [metric(4.0, "b-1", 1)]), "spBv1.0/north/NBIRTH/gw-9")
    assert {reason for reason, _ in rig.waiting()} == {"unknown_gateway"}
    rig.mend(gateways=rig.files["gateways.csv"] + "gw-9,north,10\n")
    rig.add("b-1,gw-9,s1,water_depth,cm,10")
    rig.replay()
    assert rig.stored() == [("b-1", 4)]


def test_only_what_was_wished_for_is_taken_in(rig: Rig) -> None:
    rig.hear(message(["n-1", "n-2"]))
    rig.add("n-1,gw-1,s1,water_depth,cm,10", "n-2,gw-1,s1,water_depth,cm,10")
    rig.replay(Wish(sensor="n-1"))
    assert rig.stored() == [("n-1", 5)]
    rig.replay(Wish(reason="unknown_gateway"))
    rig.replay(Wish(since=START + timedelta(seconds=1)))
    assert rig.waiting() == [("unknown_sensor", "n-2")]
    with pytest.raises(InputError, match="such rows are not taken in later, got 'conflict'"):
        rig.replay(Wish(reason="conflict"))


def test_groups_tell_the_most_first_with_advice(rig: Rig) -> None:
    for at_s in range(3):
        rig.hear(message(["n-1"], at_s=at_s))
    rig.hear(b"{", received_us=START_US + 1)
    found, count = groups(rig.conn, Wish())
    assert [(group.reason, group.gateway, group.sensor, group.waiting) for group in found] == [
        ("unknown_sensor", "gw-1", "n-1", 3), ("bad_json", "gw-1", "", 1),
    ]  # fmt: skip
    assert count == 2
    assert "quarantine adopt" in found[0].advice
    row = one(rig.conn, found[1].newest)
    assert (row.reason, row.payload, row.received_at) == ("bad_json", b"{", from_us(START_US + 1))
    assert groups(rig.conn, Wish(), limit=1)[1] == 2
    assert [group.reason for group in groups(rig.conn, Wish(reason="bad_json"))[0]] == ["bad_json"]


def test_a_number_is_no_longer_missing_once_its_message_is_taken_in(rig: Rig) -> None:
    rig.conn.execute("ALTER TABLE lifeline.readings ADD CONSTRAINT poison CHECK (value <> 66)")
    for seq in range(3):
        readings = [{"sensor": "wl-000", "time": START_US // 1000 + seq, "value": 66 if seq == 1 else seq}]
        rig.hear(json.dumps({"seq": seq, "readings": readings}).encode())
    missing = "SELECT missing FROM city.gateways WHERE gateway = 'gw-1'"
    assert (rig.waiting(), rig.conn.execute(missing).fetchone()) == ([("not_storable", "")], (1,))
    rig.conn.execute("ALTER TABLE lifeline.readings DROP CONSTRAINT poison")
    assert rig.replay() == Replayed(looked=1, rows=1, stored=1)
    assert rig.conn.execute(missing).fetchone() == (0,)
    assert rig.account() == (3, 3, 0, 0)


def test_every_reason_has_advice() -> None:
    assert all(advice(reason, language) for reason in Reason for language in languages)
