"""The OpenAPI document, made of the endpoints themselves: nothing is written twice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from pulsebot.web import session
from pulsebot.web.api.base import Endpoint
from pulsebot.web.problem import MEDIA_TYPE, Problem

BASE = "/api/v1"
VERSION = "1.0.0"
"""Version of the API: the first number is that of BASE."""

REFERENCE = "#/components/schemas/{name}"

_PROBLEMS = {
    "401": "No token was shown, or a wrong one.",
    "403": "Nobody may ask from there; the detail says how it is allowed.",
    "404": "What the path names is not there.",
    "422": "A parameter cannot be used.",
    "503": "Too many questions at once, or one that takes too long; the detail says which.",
}


@dataclass(frozen=True, slots=True)
class Part:
    """Operations below BASE that others answer: their path items, and the forms in them."""

    paths: Mapping[str, Mapping[str, Any]]
    forms: Sequence[type[Struct]]


def problems(*codes: str) -> dict[str, Any]:
    """Return the problems that an operation may answer with, as its responses."""
    return {code: {"$ref": f"#/components/responses/{code}"} for code in codes}


def document(endpoints: Sequence[Endpoint], others: Part) -> dict[str, Any]:
    """Return the document of these endpoints, and of what others answer."""
    forms = [*(endpoint.form for endpoint in endpoints), *others.forms, Problem]
    _, schemas = msgspec.json.schema_components(forms, ref_template=REFERENCE)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pulsebot",
            "version": VERSION,
            "description": "The answers of the commands as JSON. Read-only. Times are RFC 3339 "
            "with the offset of the asked zone; counts carry their window.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": {
            **{f"{BASE}{e.path}": {"get": _operation(e)} for e in endpoints},
            **others.paths,
        },
        "components": {
            "schemas": schemas,
            "responses": {code: _problem(code) for code in _PROBLEMS},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": session.COOKIE},
            },
        },
        "security": [{"token": []}, {"session": []}, {}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    summary, _, more = (getdoc(endpoint.answer) or "").partition("\n")
    schema = {"$ref": REFERENCE.format(name=endpoint.form.__name__)}
    told = {
        "description": (getdoc(endpoint.form) or "").partition("\n")[0],
        "content": {"application/json": {"schema": schema}},
    }
    return {
        "operationId": endpoint.path.strip("/").translate({ord("/"): "-", 123: "", 125: ""}),
        "summary": summary.rstrip("."),
        "description": more.strip(),
        "parameters": [
            _parameter(endpoint, info) for info in msgspec.structs.fields(endpoint.parameters)
        ],
        "responses": {"200": told, **problems(*_PROBLEMS)},
    }


def _parameter(endpoint: Endpoint, info: FieldInfo) -> dict[str, Any]:
    within = "path" if f"{{{info.name}}}" in endpoint.segments else "query"
    schema = _without_null(msgspec.json.schema(info.type))
    if not info.required and info.default is not None:
        schema["default"] = info.default
    return {
        "name": info.name,
        "in": within,
        "required": info.required,
        "description": schema.pop("description", ""),
        "schema": schema,
    }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a parameter that is given may be: no address can say null."""
    if "enum" in schema:
        return {"type": "string", "enum": [word for word in schema["enum"] if word is not None]}
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    outer = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**options[0], **outer} if options else outer


def _problem(code: str) -> dict[str, Any]:
    schema = {"$ref": REFERENCE.format(name=Problem.__name__)}
    return {"description": _PROBLEMS[code], "content": {MEDIA_TYPE: {"schema": schema}}}
