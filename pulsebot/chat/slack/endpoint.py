"""The HTTP endpoint that Slack calls in HTTP mode: `POST /slack/events`.

Bolt checks the signature and refuses requests older than five minutes; whatever is not even a
request of Slack's shape is refused before.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

from slack_bolt.adapter.starlette.async_handler import to_async_bolt_request, to_starlette_response
from slack_bolt.async_app import AsyncApp
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

PATH = "/slack/events"
BIGGEST = 1_048_576
"""Bytes; Slack's requests are a few kilobytes."""


async def receive(app: AsyncApp, request: Request) -> Response:
    """Answer one request of Slack's: 401 for a bad signature, 400 or 413 for rubbish."""
    if not request.headers.get("X-Slack-Request-Timestamp", "").isdecimal():
        return PlainTextResponse("not signed", 401)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BIGGEST:
            return PlainTextResponse("too large", 413)
    try:
        payload = to_async_bolt_request(request, body)
    except ValueError:  # neither JSON nor a form, or not UTF-8
        return PlainTextResponse("not understood", 400)
    return to_starlette_response(await app.async_dispatch(payload))
