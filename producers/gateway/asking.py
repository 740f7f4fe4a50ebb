"""What a system asks of the gateway in a JSON object of ours: its texts checked and cleaned as the contract's are."""

from typing import Any, TypeVar

import msgspec

from schemas.events import Reason
from schemas.reading import Invalid, clean_text, explain

T = TypeVar("T", bound=msgspec.Struct)


def asked(body: bytes, kind: type[T]) -> T:
    """What stands in these bytes; fields that we do not know are left out. Raises Invalid. Deterministic.

    Cleaned, for what is asked about a case must name it as the case's records and reviews do, which are cleaned too; its
    lengths are checked before and after (`contract.md`).
    """
    try:
        said = msgspec.convert(msgspec.json.decode(body, type=dict[str, Any]), kind)
        fields = msgspec.structs.asdict(said).items()
        cleaned = {name: clean_text(one) if isinstance(one, str) else one for name, one in fields}
        return msgspec.convert(cleaned, kind)
    except msgspec.ValidationError as error:
        raise explain(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(Reason.NOT_JSON, "the value is not one well-formed JSON text in UTF-8") from None
