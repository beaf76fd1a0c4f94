"""Questions inside a result, since 2026-07-28 (basic/patterns/mrtr).

A server answers with what it needs to know; the client sends the request again with the answers
(`InputResponseRequestParams`, base.py). The questions themselves are in elicitation.py, sampling.py
and roots.py; what a requestState holds, and who may have written it, is in round_trips.py.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .base import Result
from .elicitation import ElicitRequest, ElicitResult
from .roots import ListRootsRequest, ListRootsResult
from .sampling import CreateMessageRequest, CreateMessageResult

InputRequest: TypeAlias = Annotated[
    CreateMessageRequest | ListRootsRequest | ElicitRequest, Field(discriminator="method")
]
InputRequests: TypeAlias = dict[str, InputRequest]

InputResponse: TypeAlias = CreateMessageResult | ListRootsResult | ElicitResult
InputResponses: TypeAlias = dict[str, InputResponse]


class InputRequiredResult(Result):
    """What the server must know before it can answer; at least one of the two is there."""

    result_type: Literal["input_required"] = "input_required"
    input_requests: InputRequests | None = None
    request_state: str | None = None
