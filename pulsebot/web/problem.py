"""Refusals as machines read them: problem details of RFC 9457."""

from http import HTTPStatus

from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


class ProblemResponse(JSONResponse):
    """Says what is wrong and how to mend it; `parameter` is the one to blame, where one is.

    Problems have no types of their own (`about:blank`): the status is the type.
    """

    media_type = MEDIA_TYPE

    def __init__(self, status: int, detail: str, parameter: str | None = None) -> None:
        told: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        }
        if parameter is not None:
            told["parameter"] = parameter
        super().__init__(told, status)
