"""JSON Schemas of job.json and result.json, for whoever writes a lab of their own.

Not re-exported by `bayeslaw.runs`: this needs pydantic, jobs need the standard library only.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic import TypeAdapter

from bayeslaw.runs.hyperparameters import Hyperparameters
from bayeslaw.runs.job import SCHEMA, Job, JobResult
from bayeslaw.runs.measurement import TIMED, Measurement
from bayeslaw.space import Architecture, Workload

_DESCRIBED = (Job, JobResult, Hyperparameters, Measurement, Architecture, Workload)


def job_schema() -> dict[str, Any]:
    """Return the JSON Schema of job.json, descriptions and units included.

    >>> job_schema()["properties"]["n_tokens"]["description"]
    'Training tokens of the whole schedule [count]; ``train`` only.'
    """
    return _schema(Job)


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema of result.json.

    >>> sorted(result_schema()["required"])
    ['kind', 'run_id', 'status']
    """
    return _schema(JobResult)


def _schema(kind: type) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema()
    for described in _DESCRIBED:
        part = schema if described is kind else schema.get("$defs", {}).get(described.__name__)
        if part is not None:
            _describe(part, described)
    if (timing := schema.get("$defs", {}).get("Measurement")) is not None:
        for name in TIMED:  # null for what ran out of memory
            timing["properties"][name]["type"] = ["number", "null"]
    schema["properties"]["schema"]["const"] = SCHEMA
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _describe(part: dict[str, Any], kind: type) -> None:
    """Put the docstring's first line and attributes where a reader of the schema looks."""
    text = inspect.getdoc(kind) or ""
    part["description"] = text.splitlines()[0]
    for name, meaning in _attributes(text).items():
        if name in part["properties"]:
            part["properties"][name]["description"] = meaning


def _attributes(docstring: str) -> dict[str, str]:
    """Read a Google-style ``Attributes`` section."""
    _, _, section = docstring.partition("Attributes:\n")
    section = re.split(r"\n\S|\n\n", section, maxsplit=1)[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8,}.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
