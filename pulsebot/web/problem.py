"""Refusals as machines read them: problem details of RFC 9457."""

from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is wrong and how to mend it.

    Problems have no types of their own: the status is the type.
    """

    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: Annotated[str, Meta(description="What is wrong, and the mend, for people.")]
    parameter: Annotated[
        str | None, Meta(description="The parameter that is to blame, where one is.")
    ] = None


class ProblemResponse(Response):
    """Answers with a problem; `parameter` is the one to blame, where one is."""

    media_type = MEDIA_TYPE

    def __init__(self, status: int, detail: str, parameter: str | None = None) -> None:
        problem = Problem(
            title=HTTPStatus(status).phrase, status=status, detail=detail, parameter=parameter
        )
        super().__init__(msgspec.json.encode(problem), status)
