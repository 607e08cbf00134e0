"""What an endpoint is called with: read from a request, checked, each fault with its place."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from fastapi import params
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import Headers
from starlette.requests import Request

from bayeslaw.service.problems import ProblemError
from bayeslaw.service.strict_json import read_json

# Reading a larger body takes so long that other callers would notice [byte]: one at a time, aside.
_LARGE_BODY = 64 * 1024
_aside = ThreadPoolExecutor(1, thread_name_prefix="bayeslaw-large-body")


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    alias: str
    check: Callable[[Any], Any]
    is_list: bool
    is_required: bool


class Arguments:
    """Read a request into the arguments of a function, as its signature declares them.

    Known are the request itself, ``Annotated`` with FastAPI's ``Path``, ``Query`` and ``Header``, a
    pydantic model for the JSON body, and ``Depends`` on functions that declare the same, but for
    query and body. Unknown and repeated query parameters are refused, and so are repeated headers
    and a body that is not `read_json`'s.

    Args:
        function: What is called with them.
        is_outer: Whether it is the endpoint itself, not what it depends on.
    """

    def __init__(self, function: Callable[..., Awaitable[Any]], *, is_outer: bool = True) -> None:
        self._function = function
        self._is_outer = is_outer
        self._request_name = ""
        self._depends: list[tuple[str, Arguments]] = []
        self._path: list[_Parameter] = []
        self._query: dict[str, _Parameter] = {}
        self._headers: list[_Parameter] = []
        self._body: tuple[str, TypeAdapter[Any]] | None = None
        is_function = inspect.isroutine(function)
        hints = get_type_hints(
            function if is_function else type(function).__call__, include_extras=True
        )
        for parameter in inspect.signature(function).parameters.values():
            self._add(parameter, hints[parameter.name])

    async def call(self, request: Request) -> Any:
        """Read, check, and call the function with what it declares.

        Raises:
            ProblemError: The request is not what the function declares.
        """
        values: dict[str, Any] = {}
        if self._request_name:
            values[self._request_name] = request
        for name, depend in self._depends:
            values[name] = await depend.call(request)
        wrong: list[dict[str, str]] = []
        scope = request.scope
        for parameter in self._path:
            _take(parameter, scope["path_params"].get(parameter.name), "path", values, wrong)
        if self._is_outer and (self._query or scope["query_string"]):
            self._read_query(scope["query_string"], values, wrong)
        for parameter in self._headers:
            _take(parameter, _header(request.headers, parameter), "header", values, wrong)
        if self._body is not None:
            await self._read_body(request, values, wrong)
        if wrong:
            raise _invalid(wrong)
        return await self._function(**values)

    async def _read_body(
        self, request: Request, values: dict[str, Any], wrong: list[dict[str, str]]
    ) -> None:
        assert self._body is not None
        name, adapter = self._body
        body = await _body_of(request)
        try:
            if len(body) > _LARGE_BODY:
                loop = asyncio.get_running_loop()
                values[name] = await loop.run_in_executor(_aside, _checked, adapter, body)
            else:
                values[name] = _checked(adapter, body)
        except ValidationError as error:
            wrong += [
                {"pointer": _pointer(issue), "detail": issue["msg"]}
                for issue in error.errors(include_url=False, include_input=False)
            ]

    def _add(self, parameter: inspect.Parameter, hint: Any) -> None:
        if hint is Request:
            self._request_name = parameter.name
            return
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        bare = get_args(hint)[0] if marks else hint
        for mark in marks:
            if isinstance(mark, params.Depends):
                assert mark.dependency is not None
                self._depends.append((parameter.name, Arguments(mark.dependency, is_outer=False)))
                return
            if isinstance(mark, params.Param):
                self._add_parameter(parameter, mark, hint, is_list=get_origin(bare) is list)
                return
        if not (self._is_outer and isinstance(bare, type) and issubclass(bare, BaseModel)):
            raise TypeError(f"{self._function} declares {parameter.name!r}, which is nothing known")
        self._body = parameter.name, TypeAdapter(hint)

    def _add_parameter(
        self, parameter: inspect.Parameter, mark: params.Param, hint: Any, *, is_list: bool
    ) -> None:
        entry = _Parameter(
            name=parameter.name,
            alias=mark.alias or parameter.name,
            check=TypeAdapter(hint).validate_python,
            is_list=is_list,
            is_required=parameter.default is inspect.Parameter.empty,
        )
        if isinstance(mark, params.Path):
            self._path.append(entry)
        elif isinstance(mark, params.Header):
            self._headers.append(entry)
        elif self._is_outer:
            # Only here, where it is known which of them are known.
            self._query[entry.alias] = entry
        else:
            raise TypeError(f"{self._function} is depended on and cannot read the query")

    def _read_query(
        self, query_string: bytes, values: dict[str, Any], wrong: list[dict[str, str]]
    ) -> None:
        given = _query_of(query_string) if query_string else {}
        for name, texts in given.items():
            parameter = self._query.get(name)
            if parameter is None:
                known = ", ".join(self._query) or "none"
                detail = f"this is no parameter here; known are: {known}"
                wrong.append({"pointer": f"query:{name[:200]}", "detail": detail})
            elif parameter.is_list:
                _take(parameter, texts, "query", values, wrong)
            elif len(texts) > 1:
                wrong.append({"pointer": f"query:{name}", "detail": "it is given more than once"})
            else:
                _take(parameter, texts[0], "query", values, wrong)
        for name, parameter in self._query.items():
            if parameter.is_required and name not in given:
                wrong.append({"pointer": f"query:{name}", "detail": "it is required"})


def _take(
    parameter: _Parameter, given: Any, where: str, values: dict[str, Any], wrong: list[Any]
) -> None:
    if given is None:
        if parameter.is_required:
            wrong.append({"pointer": f"{where}:{parameter.alias}", "detail": "it is required"})
        return
    try:
        values[parameter.name] = parameter.check(given)
    except ValidationError as error:
        wrong += [
            {"pointer": f"{where}:{parameter.alias}", "detail": issue["msg"]}
            for issue in error.errors(include_url=False, include_input=False)
        ]


def _header(headers: Headers, parameter: _Parameter) -> str | None:
    given = headers.getlist(parameter.alias)
    if len(given) > 1:
        raise _invalid(
            [{"pointer": f"header:{parameter.alias}", "detail": "it is given more than once"}]
        )
    return given[0] if given else None


def _query_of(query_string: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=200,
        )
    except ValueError as error:
        detail = f"the query string cannot be read: {error}"
        raise ProblemError(
            422, "invalid-input", detail, "send name=value pairs, percent-encoded UTF-8"
        ) from None
    given: dict[str, list[str]] = {}
    for name, text in pairs:
        given.setdefault(name, []).append(text)
    return given


async def _body_of(request: Request) -> bytes:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ProblemError(
            415,
            "unsupported-media-type",
            f"the body is {content_type[:100]!a}, not application/json",
            "send JSON, and say so in Content-Type",
        )
    return await request.body()


def _checked(adapter: TypeAdapter[Any], body: bytes) -> Any:
    # Read twice: pydantic's own reader takes the last of two equal names, and lists for tuples.
    read_json(body)
    return adapter.validate_json(body, strict=True)


def _pointer(issue: ErrorDetails) -> str:
    """Return where in the body something is wrong, as a JSON pointer.

    >>> _pointer({"loc": ("runs", 0, "n_tokens"), "type": "", "msg": "", "input": 0})
    '#/runs/0/n_tokens'
    """
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in issue["loc"])
    return "#" + "".join(f"/{part[:200]}" for part in parts)


def _invalid(wrong: list[dict[str, str]]) -> ProblemError:
    first: Mapping[str, str] = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return ProblemError(
        422,
        "invalid-input",
        f"{first['pointer']}: {first['detail']}{more}",
        "correct what the errors name; nothing was done",
        errors=wrong[:50],
    )
