"""The forms of queries over HTTP, and their part of the OpenAPI document."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from pulsebot.web.api.openapi import BASE, REFERENCE, Part, problems

QUERY = f"{BASE}/query"
CHANGES = f"{BASE}/views/{{name}}/changes"


class Select(Struct, frozen=True):
    """What is asked."""

    sql: Annotated[
        str,
        Meta(
            description="One SELECT; with EMIT CHANGES the answer is a stream of events.",
            examples=["SELECT * FROM TRIGGER_PER_DAY WHERE SERVICE_ID = 'svc-a'"],
        ),
    ]


class Rows(Struct, frozen=True):
    """The rows of a query, by column."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    cut: Annotated[str | None, Meta(description="Why these are not all rows, if so.")]


_EVENTS = {"text/event-stream": {"schema": {"type": "string"}}}
_STREAM = (
    "Events are `begin` (or `reset`: what was told before no longer holds), `changes`, and `end` "
    "with the reason; data is JSON."
)


def part() -> Part:
    """Return the operations as the document tells of them."""
    rows, asked = ({"schema": {"$ref": REFERENCE.format(name=f.__name__)}} for f in (Rows, Select))
    query = {
        "operationId": "query",
        "summary": "Ask views by a SELECT",
        "description": f"Read-only. CSV where `Accept` says text/csv. {_STREAM}",
        "requestBody": {
            "required": True,
            "content": {"application/json": asked, "text/plain": {"schema": {"type": "string"}}},
        },
        "responses": {
            "200": {
                "description": "The rows, or their changes.",
                "content": {
                    "application/json": rows,
                    "text/csv": {"schema": {"type": "string"}},
                    **_EVENTS,
                },
            },
            **problems("401", "403", "422", "503"),
        },
    }
    changes = {
        "operationId": "views-name-changes",
        "summary": "Follow a view as it changes",
        "description": f"{_STREAM} Ends when the client does.",
        "parameters": [
            _parameter("name", "path", "Name of a view."),
            _parameter("present", "query", "`1` tells the present rows first."),
            _parameter("since", "query", "The id of an earlier event: goes on after it."),
        ],
        "responses": {
            "200": {"description": "Server-sent events.", "content": _EVENTS},
            **problems("401", "403", "404", "422", "503"),
        },
    }
    return Part({QUERY: {"post": query}, CHANGES: {"get": changes}}, (Select, Rows))


def _parameter(name: str, within: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": within,
        "required": within == "path",
        "description": description,
        "schema": {"type": "string", "minLength": int(within == "path"), "maxLength": 255},
    }
