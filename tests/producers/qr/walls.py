"""A window with a code on its wall, a case with a link, and the key that made both."""

from datetime import UTC, datetime

from pipeline.seal_keys import Seal
from producers.tokens import CaseToken, Kind, Place, Tokens
from schemas.catalogue import departments
from schemas.codes import Channel
from tests.conftest import SEAL_KEY

NOW = datetime(2026, 11, 23, 7, 20, tzinfo=UTC)
DEPT = departments()[2]
KEY = SEAL_KEY
TOKENS = Tokens(Seal.model_validate({"current": "test", "keys": {"test": KEY}}), lambda: NOW)
WINDOW = Place(
    token_id="wall-w03",
    kind=Kind.WINDOW,
    name="3号 社会保险综合窗口",
    dept_code=DEPT.code,
    hall_code="H1",
    window_code="W03",
)


def case_claims(
    tokens: Tokens, case_no: str = "MX20261123000451", channel: Channel = Channel.APP
) -> CaseToken:
    """A link to this case's first service."""
    return CaseToken(
        token_id=tokens.case_id(case_no, 1),
        case_no=case_no,
        channel=channel,
        name="灵活就业人员参保登记",
        dept_code=DEPT.code,
    )
