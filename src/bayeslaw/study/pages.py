"""A study's report: gathered from its folder and handed to `bayeslaw.report`."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

from bayeslaw.errors import NotFoundError
from bayeslaw.report import ReportContent, write_report
from bayeslaw.study.study import Study

_PACKAGES = ("bayeslaw", "torch", "jax", "numpyro", "botorch", "arviz")


def write_study_report(study: Study, path: Path | None = None) -> Path:
    """Write the report of a study as far as it has come, and return its path."""
    try:
        posteriors = study.posteriors()
    except NotFoundError:
        posteriors = []
    summary = _document(study, "summary") or {}
    content = ReportContent(
        study_name=study.config.name,
        target=study.config.decision,
        runs=study.runs,
        measurements=study.measurements,
        posteriors=posteriors,
        latency=study.beliefs(posteriors).latency if posteriors else None,
        recommendation=_document(study, "recommendation"),
        suggestions=_document(study, "next") or [],
        check=summary.get("check"),
        spent=_document(study, "seconds") or {},
        spent_gpu_hours=study.state.spent_gpu_hours(),
        versions={name: metadata.version(name) for name in _PACKAGES},
    )
    return write_report(path or study.folder / "report.html", content)


def _document(study: Study, name: str) -> Any:
    try:
        return study.state.document(name).payload
    except NotFoundError:
        return None
