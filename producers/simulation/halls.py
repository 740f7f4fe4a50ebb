"""The halls (政务大厅): the county's own and those of its towns, each with its windows."""

from random import Random
from typing import NamedTuple

from schemas.catalogue import COUNTY, COUNTY_NAME, towns

COUNTY_WINDOWS, TOWN_WINDOWS = 20, 4
MOST_HALLS = 1 + len(towns())


class Hall(NamedTuple):
    """A hall; its code ends with its area's. `windows`: how many it has."""

    code: str
    name: str
    area_code: str
    windows: int

    @property
    def window_codes(self) -> tuple[str, ...]:
        """The codes of its windows."""
        return tuple(f"{self.code}-{n:02d}" for n in range(1, self.windows + 1))


def halls(many: int) -> tuple[Hall, ...]:
    """The first so many: the county's, then the towns'."""
    county = Hall(f"H-{COUNTY}", f"{COUNTY_NAME}政务服务大厅", COUNTY, COUNTY_WINDOWS)
    in_towns = (
        Hall(f"T-{town.area_code}", f"{town.name}便民服务中心", town.area_code, TOWN_WINDOWS)
        for town in towns()
    )
    return (county, *in_towns)[:many]


def busy_window(rng: Random, places: tuple[Hall, ...]) -> tuple[Hall, str]:
    """A hall and a window of it: all windows are equally busy."""
    hall = rng.choices(places, [one.windows for one in places])[0]
    return hall, rng.choice(hall.window_codes)
