"""The event contract: what lies on the topics, field by field (`contract.md`).

Times are aware datetimes. A struct holds what was sent; absent text is `""`, absent objects and times are None.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.codes import Channel, HandlingMode, Status

MOST_DEVICE_SEQ = 2**53
"""What every JSON reader has exactly. Records of before this bound may have greater numbers: they are read, and flagged."""
CE_TYPE_PREFIX = "cn.gov.meixian.hcp."

EventId = Annotated[
    str, Meta(min_length=1, max_length=64, description="idempotency key; UUIDv7 from our producers")
]
CaseNo = Annotated[str, Meta(min_length=1, max_length=64, description="办件编号, opaque")]
ServiceNo = Annotated[int, Meta(ge=1, le=99, description="the n-th service of the case")]
Code = Annotated[str, Meta(max_length=64)]
DeptCode = Annotated[str, Meta(min_length=1, max_length=18, description="统一社会信用代码")]
ItemCode = Annotated[
    str, Meta(min_length=1, max_length=36, description="实施编码 (31), with 业务办理项 (33)")
]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset")]
Digest = Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")]


class CaseEvent(Struct, gc=False, omit_defaults=True):
    """A service given in a case (办件), or its correction. Natural key: (`case_no`, `service_no`)."""

    case_no: CaseNo
    status: Status
    item_code: ItemCode
    dept_code: DeptCode
    handling_mode: HandlingMode
    served_at: Instant
    event_id: EventId | UnsetType = UNSET
    service_no: ServiceNo = 1
    item_name: Annotated[str, Meta(max_length=200)] = ""
    area_code: Annotated[str, Meta(pattern="^([0-9]{6}([0-9]{3}){0,2})?$")] = ""
    hall_code: Code = ""
    window_code: Code = ""
    staff_id: Code = ""
    accepted_at: Instant | None = None
    received_at: Instant | None = None
    source: Code = ""
    promised_at: Annotated[
        Instant | None, Meta(description="承诺办结时间: by when the service was promised")
    ] = None
    failed_rules: Annotated[
        list[Annotated[str, Meta(max_length=64)]],
        Meta(max_length=16, description="办件质检: rules of scope `file` that the sender found failed"),
    ] = []


class Reviewer(Struct, gc=False, omit_defaults=True):
    """Who reviewed: personal information, in clear only between a foreign sender and the fold that seals it."""

    name: str = ""
    phone: str = ""
    id_number: str = ""


class ReviewEvent(Struct, gc=False, omit_defaults=True):
    """One judgement of one service. Natural key: (`case_no`, `service_no`, `review_no`); the event itself without a case."""

    satisfaction: Annotated[int, Meta(ge=1, le=5, description="满意度; 1 and 2 are bad reviews")]
    channel: Channel
    submitted_at: Instant
    event_id: EventId | UnsetType = UNSET
    case_no: CaseNo | None = None
    service_no: ServiceNo = 1
    review_no: Annotated[
        int, Meta(ge=1, le=2, description="2 is the follow-up after rectification (追评)")
    ] = 1
    reason_codes: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=16)] = []
    comment: Annotated[str, Meta(max_length=2000)] = ""
    received_at: Instant | None = None
    hall_code: Code = ""
    window_code: Code = ""
    staff_id: Code = ""
    dept_code: Code = ""
    item_code: Code = ""
    device_id: Code = ""
    device_seq: Annotated[int, Meta(ge=1, le=MOST_DEVICE_SEQ)] | None = None
    device_prev: Digest | None = None
    real_name: bool = False
    reviewer: Reviewer | str | None = None
    reviewer_mark: Code = ""


class DecisionEvent(Struct, gc=False, omit_defaults=True):
    """Whose a service is, as a person decided it: of a service that several departments claim. Natural key as a case's.

    It counts only with the edge's signature. `dept_code` is a department that has sent a record of the service, or will.
    """

    case_no: CaseNo
    dept_code: DeptCode
    decided_by: Annotated[
        str, Meta(min_length=1, max_length=64, description="who decided it: a name at work")
    ]
    why: Annotated[str, Meta(min_length=1, max_length=1000)]
    event_id: EventId | UnsetType = UNSET
    service_no: ServiceNo = 1
    received_at: Instant | None = None


Event = CaseEvent | ReviewEvent | DecisionEvent
"""What the worker folds."""


class TicketReview(Struct, omit_defaults=True):
    """What a ticket's event says of its review: no text, no identity."""

    satisfaction: int
    channel: Channel
    reason_codes: list[str]


class TicketEvent(Struct):
    """One step of a ticket's life. `event_id` is derived from ticket and step, so consumers can drop repeats."""

    event_id: str
    ticket_id: str
    step: Literal["opened", "rerouted", "redated"]
    state: str
    dept_code: str
    due_at: Instant
    opened_at: Instant
    at: Instant
    actor_role: str
    review: TicketReview


class Reason:
    """Reason codes of dead letters."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    TOO_LARGE = "too_large"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    UNKNOWN_VALUE = "unknown_value"
    ID_MISMATCH = "id_mismatch"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    FOLD_ERROR = "fold_error"
    UNREADABLE = "unreadable"
    STEPPED_OVER = "stepped_over"
    NOT_SIGNED = "not_signed"


REASONS = tuple(value for name, value in vars(Reason).items() if name.isupper())
