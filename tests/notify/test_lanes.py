"""Workers: reds always find one, and whatever hangs holds no more than its share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.notify.lanes import MOST_REMEMBERED, Lanes, Place, Room

CHANNELS = ("webhook", "email")


def fits(place: Place, room: Room) -> bool:
    if place.red:
        return place.channel not in room.red_channels and place.endpoint not in room.red_endpoints
    return room.others and place.channel not in room.channels and place.endpoint not in room.endpoints


PLACES = st.builds(
    lambda channel, host, red: Place(channel, f"{channel} {host}", red),
    st.sampled_from(CHANNELS), st.sampled_from("abc"), st.booleans(),
)  # fmt: skip


@given(st.integers(4, 20), st.lists(st.tuples(PLACES, st.booleans(), st.booleans()), max_size=80))
def test_whatever_comes_and_goes_the_shares_hold(workers: int, happens: list[tuple[Place, bool, bool]]) -> None:
    lanes, inside = Lanes(workers), list[Place]()
    for place, goes, well in happens:
        if goes and inside:
            lanes.leave(inside.pop(0), well=well)
            continue
        room = lanes.room()
        if room is not None and fits(place, room):
            lanes.enter(place)
            inside.append(place)
    ordinary = [place for place in inside if not place.red]
    assert lanes.total == len(inside) <= workers
    assert len(ordinary) <= workers - workers // 4
    for endpoint in {place.endpoint for place in inside}:
        assert sum(place.endpoint == endpoint for place in ordinary) <= workers // 4
    for place in inside:
        lanes.leave(place, well=True)
    assert lanes.total == 0
    assert not lanes._channels
    assert not lanes._endpoints


def test_a_flood_that_fills_every_place_leaves_room_for_reds() -> None:
    lanes = Lanes(16)
    for n in range(1000):
        place = Place(CHANNELS[n % 2], f"{CHANNELS[n % 2]} {n}", red=False)
        room = lanes.room()
        assert room is not None
        if fits(place, room):
            lanes.enter(place)
    room = lanes.room()
    assert room is not None
    assert lanes.total == 12
    assert fits(Place("webhook", "webhook 0", red=True), room)


def test_an_endpoint_in_trouble_is_tried_by_one_at_a_time_until_it_answers() -> None:
    lanes, place, red = Lanes(16), Place("webhook", "webhook a", red=False), Place("webhook", "webhook a", red=True)
    lanes.enter(place)
    lanes.leave(place, well=False)
    lanes.enter(place)
    room = lanes.room()
    assert room is not None
    assert not fits(place, room)
    assert fits(red, room)
    assert fits(Place("webhook", "webhook b", red=False), room)
    lanes.leave(place, well=True)
    lanes.enter(place)
    room = lanes.room()
    assert room is not None
    assert fits(place, room)


def test_what_is_remembered_of_endpoints_is_bounded() -> None:
    lanes = Lanes(16)
    for n in range(MOST_REMEMBERED + 50):
        place = Place("webhook", f"webhook {n}", red=False)
        lanes.enter(place)
        lanes.leave(place, well=False)
    assert len(lanes._troubled) == MOST_REMEMBERED
