"""Write src/bayeslaw/client/types.py from docs/openapi.json: `make client-types`.

The types say what is in an answer and no more: limits are the service's to check, and a field
that a newer service adds is no error for an older client.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DESCRIPTION = ROOT / "docs" / "openapi.json"
TYPES = ROOT / "src" / "bayeslaw" / "client" / "types.py"

HEADER = '''"""What the service is asked and what it answers; generated, do not edit.

`make client-types` writes this file from docs/openapi.json.
"""
# ruff: noqa

DESCRIBED_BY = "{digest}"
"""SHA-256 of the schemas that these types were made from."""
'''

KEPT = {
    "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum", "items",
    "oneOf", "properties", "required", "type",
}  # fmt: skip


def schemas(openapi: dict[str, Any]) -> dict[str, Any]:
    """Return what the types are made from: every schema, without limits and examples."""
    return {name: lean(schema) for name, schema in sorted(openapi["components"]["schemas"].items())}


def lean(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without what a reader of answers does not check."""
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: lean(part) for name, part in value.items()}
        elif key in ("anyOf", "oneOf"):
            kept[key] = [lean(part) for part in value]
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            kept[key] = lean(value)
        elif key == "additionalProperties" and value is False:
            continue
        elif key in KEPT:
            kept[key] = value
    return kept


def digest(openapi: dict[str, Any]) -> str:
    """Return a name for the content of the schemas."""
    content = json.dumps(schemas(openapi), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def generated(openapi: dict[str, Any]) -> str:
    """Return the module's text; needs datamodel-code-generator."""
    asked = {
        "openapi": "3.1.0",
        "info": {"title": "bayeslaw", "version": "1"},
        "paths": {},
        "components": {"schemas": schemas(openapi)},
    }
    command = [
        "datamodel_code_generator", "--input-file-type", "openapi",
        "--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.11",
        "--enum-field-as-literal", "all", "--use-standard-collections", "--use-union-operator",
        "--use-schema-description", "--use-field-description", "--use-inline-field-description",
        "--use-single-line-docstring", "--collapse-root-models", "--use-double-quotes",
        "--disable-timestamp", "--strict-nullable", "--ignore-pyproject",
        "--base-class", "bayeslaw.client.message.Message", "--no-formatters",
        "--custom-file-header", HEADER.format(digest=digest(openapi)),
    ]  # fmt: skip
    made = _output(command, json.dumps(asked))
    return _output(["ruff", "format", "-", "--stdin-filename", str(TYPES)], made)


def _output(command: list[str], text: str) -> str:
    told = subprocess.run(
        [sys.executable, "-m", *command], input=text, capture_output=True, text=True, check=True
    )
    return told.stdout


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DESCRIPTION
    TYPES.write_text(generated(json.loads(path.read_text())))
