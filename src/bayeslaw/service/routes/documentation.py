"""The API's own description, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from bayeslaw.service.answering import json_response
from bayeslaw.service.lean_route import lean_router
from bayeslaw.service.routes.callers import MayRead
from bayeslaw.service.schemas.problem import problems

router = lean_router("service")


@router.get("/openapi.json", summary="Describe the API", responses=problems())
async def read_openapi(request: Request, caller: MayRead) -> Response:
    """Return this API's description, OpenAPI 3.1."""
    return json_response(request.app.openapi())


@router.get(
    "/docs", response_class=HTMLResponse, summary="Describe the API on a page", responses=problems()
)
async def read_docs(request: Request, caller: MayRead) -> Response:
    """Return a page that lists all routes; it loads nothing from anywhere."""
    return HTMLResponse("".join(_page(request.app.openapi())))


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
    yield f"<h1>{escape(info['title'])}: {escape(info['summary'])}</h1>"
    yield f"<pre>{escape(info['description'])}</pre>"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation.get('summary', ''))}. "
            yield f"{escape(operation.get('description', ''))}</p><ul>"
            for parameter in operation.get("parameters", ()):
                about = parameter.get("description", "")
                where = f"{parameter['in']} {parameter['name']}"
                yield f"<li><code>{escape(where)}</code> {escape(about)}</li>"
            for status, answer in operation["responses"].items():
                yield f"<li>{status}: {escape(answer['description'])}</li>"
            yield "</ul>"
    yield "</html>"
