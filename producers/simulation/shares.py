"""Through which channel people speak: the shares that were seen in a real county."""

from random import Random

from schemas.codes import Channel, HandlingMode

SHARES = {
    HandlingMode.OFFLINE: {
        Channel.TERMINAL: 34.0,
        Channel.KIOSK: 6.0,
        Channel.HALL_TABLET: 16.0,
        Channel.QR: 5.0,
        Channel.PAPER: 2.0,
    },
    HandlingMode.ONLINE: {
        Channel.APP: 12.0,
        Channel.MINI_PROGRAM: 7.0,
        Channel.SMS: 2.0,
        Channel.PC: 18.0,
    },
}
"""Other hall terminals 40 (with kiosks), what a citizen has in the hand 26 (app, mini-program, a code or link on the
phone), the web 18, hall tablets 16, and some paper."""
_SHARE = sum(SHARES[HandlingMode.ONLINE].values()) / sum(sum(part.values()) for part in SHARES.values())
OFF_DUTY = 0.4
"""Of a workday's online services: how many are given on a day off, and none at a window."""
ONLINE = 5 * _SHARE / (5 + 2 * OFF_DUTY * (1 - _SHARE))
"""Of a workday's services. Two days off, all online, then bring a week to the shares above."""


def channel(rng: Random, mode: HandlingMode) -> Channel:
    """The channel of one review of a service of this kind."""
    of_mode = SHARES[mode]
    return rng.choices(list(of_mode), list(of_mode.values()))[0]
