"""Who may hold a connection: the oldest that waits makes room, what is being answered never does."""

import resource

import pytest

from pipeline.web.places import OPERATOR_CONNECTIONS, REQUEST_SECONDS, Limits, Places, allowed_by_files

PROXY, ELSEWHERE, HERE = "10.0.0.1", "198.51.100.7", "127.0.0.1"


class Wire:
    """A connection that remembers whether it was cut."""

    def __init__(self) -> None:
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True


class Door:
    """Places for four, two of one address; a proxy brings as many as there are. Its clock stands until it is moved."""

    def __init__(self) -> None:
        self.now, self.told = 1_000.0, list[str]()
        limits = Limits(4, 2, lambda address: None if address == PROXY else address)
        self.places = Places(limits, self.told.append, lambda: self.now)

    def come(self, address: str = PROXY) -> Wire | None:
        wire = Wire()
        return wire if self.places.take(wire, address) else None

    def comes(self, address: str = PROXY) -> Wire:
        wire = self.come(address)
        assert wire is not None
        return wire


@pytest.fixture
def door() -> Door:
    return Door()


def test_who_waits_for_longest_makes_room_for_whoever_comes(door: Door) -> None:
    idle = [door.comes() for _ in range(4)]
    door.comes()
    assert [wire.is_cut for wire in idle] == [True, False, False, False]
    assert (len(door.places), door.told) == (4, ["connection_cut"])


def test_who_is_being_answered_is_not_cut(door: Door) -> None:
    busy = [door.comes() for _ in range(4)]
    for wire in busy:
        door.places.works(wire)
    assert door.come() is None
    assert (door.told, any(wire.is_cut for wire in busy)) == (["connection_refused"], False)
    door.places.waits(busy[2])
    door.comes()
    assert [wire.is_cut for wire in busy] == [False, False, True, False]


def test_who_was_answered_last_waits_for_the_shortest(door: Door) -> None:
    first, second, *_ = [door.comes() for _ in range(4)]
    door.places.works(first)
    door.places.waits(first)
    door.comes()
    assert (first.is_cut, second.is_cut) == (False, True)


def test_one_address_makes_room_for_itself_and_for_nobody_else(door: Door) -> None:
    other = door.comes()
    mine = [door.comes(ELSEWHERE) for _ in range(2)]
    door.comes(ELSEWHERE)
    assert (mine[0].is_cut, mine[1].is_cut, other.is_cut) == (True, False, False)


def test_one_address_whose_connections_are_all_answered_gets_no_more(door: Door) -> None:
    for _ in range(2):
        door.places.works(door.comes(ELSEWHERE))
    assert door.come(ELSEWHERE) is None
    assert door.come(PROXY) is not None


def test_the_operator_comes_in_when_all_others_are_being_answered(door: Door) -> None:
    for _ in range(4):
        door.places.works(door.comes())
    assert (door.come(), door.come(HERE) is None) == (None, False)
    for _ in range(OPERATOR_CONNECTIONS - 1):
        door.places.works(door.comes(HERE[:-1] + str(100 + len(door.places))))
    assert door.come("127.0.0.200") is not None, "the operator that waited makes room"


def test_who_asks_for_nothing_is_cut_in_time(door: Door) -> None:
    idle, busy = door.comes(), door.comes()
    door.places.works(busy)
    door.now += REQUEST_SECONDS / 2
    late = door.comes()
    door.now += REQUEST_SECONDS / 2
    door.places.cut_overdue()
    assert (idle.is_cut, busy.is_cut, late.is_cut) == (True, False, False)


def test_who_has_left_is_forgotten(door: Door) -> None:
    for _ in range(100):
        wire = door.comes(ELSEWHERE)
        door.places.leave(wire)
        door.places.leave(wire)
        door.places.waits(wire)
    assert (len(door.places), door.told) == (0, [])
    door.now += 2 * REQUEST_SECONDS
    door.places.cut_overdue()
    assert not wire.is_cut


@pytest.mark.parametrize(
    ("limits", "wanted", "allowed", "asked"),
    [
        ((1024, 1024), 2_000, 808, None),
        ((1024, 4096), 2_000, 2_000, 2_216),
        ((1024, resource.RLIM_INFINITY), 2_000, 2_000, 2_216),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), 2_000, 2_000, None),
        ((64, 64), 2_000, 32, None),
    ],
)
def test_files_bound_connections(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], wanted: int, allowed: int, asked: int | None
) -> None:
    raised: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, now: raised.append(now[0]))
    assert allowed_by_files(wanted) == allowed
    assert raised == ([asked] if asked else [])
