"""System default reviews (系统默认评价), on real servers: sent by the platform, kept and marked, in nobody's way."""

import pytest

from producers.devices.device import Device
from producers.devices.managing import Office
from tests.gateway import GatewayProcess, Sender
from tests.harness import DEPT, System, case, review
from tests.wait import wait_for

pytestmark = pytest.mark.system
COUNTED = ("services", "reviewed", "default_5", "level_1", "conflicts")


def test_a_default_review_is_kept_and_the_citizen_s_own_takes_its_place(
    system: System, gateway: GatewayProcess
) -> None:
    office = Office(system.settings)
    keys = [
        office.add(Device("platform", "system", "政务服务平台", ("default",))),
        office.add(Device("dept", "system", "", ("pc",), DEPT)),
    ]
    gateway.start()
    platform, department = (Sender(gateway.url, key) for key in keys)
    assert department.send(case("C1")).status_code == 202
    assert platform.send(review("C1", 5, channel="default")).status_code == 202
    assert department.send(review("C1", 5, channel="default")).status_code == 403, (
        "it may not speak for nobody"
    )
    with system.worker():
        wait_for(lambda: system.fates() == {"stored": 2}, 40, "the case and the default review")
        assert system.counters(*COUNTED) == {"services": 1, "default_5": 1}
        assert department.send(review("C1", 1, channel="pc")).status_code == 202
        assert platform.send(review("C1", 2, channel="default")).status_code == 202
        wait_for(lambda: system.fates() == {"stored": 4}, 40, "the citizen's review and another by default")
    assert system.counters(*COUNTED) == {"services": 1, "reviewed": 1, "level_1": 1}
    assert system.ask("select channel, satisfaction, effective from review order by channel, satisfaction") == [
        ("default", 2, False), ("default", 5, False), ("pc", 1, True),
    ]  # fmt: skip
    assert system.one("select count(*) from ticket") == 2, "each bad one has one, whoever gave it"
