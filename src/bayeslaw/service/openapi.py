"""The API's description: what FastAPI finds in the routes, and what only we know.

``python -m bayeslaw.service.openapi FILE`` writes it; ``docs/openapi.json`` is kept that way.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from bayeslaw.service.schemas.problem import Problem

DESCRIPTION = """\
Decides which language-model architecture to train next. A scheduler asks for runs
(`runs:suggest`), says that they are alive (`:heartbeat`), and hands in results (`:complete`); the
planner learns from them and keeps a plan ahead.

* Every request but `/healthz` and `/readyz` carries `Authorization: Bearer TOKEN`. Scopes: `read`
  for GET, `report` for what workers say of runs, `plan` for other writes, `admin` for all.
* Every write takes an `Idempotency-Key`; sent again, it is answered again and not carried out.
* Errors are RFC 9457 problem details with a `code` for programs and a `todo` for people.
* Units stand in names: `loss_nats`, `cost_gpu_hours`, `lease_s`. Times are RFC 3339, UTC.
"""

_OPEN = ("/healthz", "/readyz")


def describe(app: FastAPI) -> None:
    """Let an application return its whole description from ``openapi()``."""
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(_openapi(app))
        return made

    app.openapi = openapi


def _openapi(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="bayeslaw",
        version="1",
        summary="The planning service",
        description=DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path in _OPEN:
                operation["security"] = []
            _refuse_other_parameters(operation)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _refuse_other_parameters(operation: dict[str, Any]) -> None:
    """FastAPI writes that a default of None may be sent as null, which a URL cannot."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        if "anyOf" in schema:
            kept = [part for part in schema["anyOf"] if part.get("type") != "null"]
            if len(kept) == 1:
                del schema["anyOf"]
                parameter["schema"] = {**kept[0], **schema}


def main() -> None:
    """Write the description to the file that is named."""
    from bayeslaw.service.app import create_app
    from bayeslaw.store import SqlStore

    with tempfile.TemporaryDirectory() as folder, SqlStore(Path(folder) / "store.db") as store:
        app = create_app(store)
        content = json.dumps(app.openapi(), indent=1) + "\n"
        app.state.writer.close()
        app.state.reads.close()
    Path(sys.argv[1]).write_text(content)


if __name__ == "__main__":
    main()
