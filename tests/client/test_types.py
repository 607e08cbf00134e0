"""The generated types are those of the running service, and cost little to import."""

import json
import subprocess
import sys

import pytest
from tests.client.generate_types import DESCRIPTION, TYPES, digest, generated
from tests.client.running_service import running_service

from bayeslaw.client import types


def test_the_types_were_made_from_what_the_service_says_of_itself():
    service = running_service()
    openapi = service.client._transport.call("GET", "openapi.json").json()
    assert digest(openapi) == types.DESCRIBED_BY, "run `make client-types`"


def test_the_committed_description_is_what_they_were_made_from():
    assert digest(json.loads(DESCRIPTION.read_text())) == types.DESCRIBED_BY


@pytest.mark.slow
def test_making_them_again_changes_nothing():
    pytest.importorskip("datamodel_code_generator", reason="`make client-types` installs it")
    assert generated(json.loads(DESCRIPTION.read_text())) == TYPES.read_text()


def test_a_field_that_a_newer_service_adds_is_no_error():
    reason = types.WhyNone.model_validate({"code": "c", "detail": "d", "new": 1})
    assert reason.code == "c" and not hasattr(reason, "new")


def test_the_client_loads_nothing_heavy():
    heavy = {"fastapi", "starlette", "torch", "jax", "sqlalchemy", "pandas", "numpy", "scipy"}
    code = f"import bayeslaw.client, sys; print(sorted({heavy!r} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
