"""A study in numbers: what ``summary.json`` holds."""

from __future__ import annotations

from typing import Any

from bayeslaw.runs import Measurement, Run
from bayeslaw.study.study import Study


def summarise(study: Study) -> dict[str, Any]:
    """Return runs, posterior, recommendation and check as JSON-ready values.

    The check says whether the measured loss and latency of the recommended architecture fell
    inside the 90 % intervals that were predicted before it was trained. Its ``anchor_drift`` is
    how much slower the baseline's decode step was than when latency was learnt: far from 1, the
    machine was busy.
    """
    recommendation = study.state.document("recommendation").payload
    chosen = recommendation["chosen"]
    seconds = study.state.document("seconds").payload
    target = study.config.target
    learnt_from = [run for run in study.runs if run.purpose != "check"]
    return {
        "runs": [_run(run) for run in learnt_from if run.status == "done"],
        "failed_runs": [
            {"id": run.run_id, "reason": run.reason}
            for run in learnt_from
            if run.status == "failed"
        ],
        "rounds": len({r.record["round"] for r in learnt_from if r.purpose == "suggested"}),
        "target": {"n_params": target.n_params, "n_tokens": target.n_tokens},
        "posterior": _posterior(study),
        "recommendation": {
            "architecture": chosen["architecture"],
            **{f"loss_{q}": chosen["loss_nats"][q] for q in ("p05", "p50", "p95")},
            **{f"tpot_ms_{q}": chosen["tpot_ms"][q] for q in ("p05", "p50", "p95")},
            **{
                f"p_{name}": chosen[f"p_{name}"]
                for name in ("pareto", "feasible", "beats_baseline")
            },
            "is_decided": recommendation["is_decided"],
        },
        "check": _check(study, chosen),
        "seconds": seconds,
        "seconds_total": sum(seconds.values()),
    }


def _run(run: Run) -> dict[str, Any]:
    shape = run.architecture
    return {
        "id": run.run_id,
        "n_params": int(run.columns["n_params"]) if shape is None else shape.n_params,
        "n_tokens": run.n_tokens,
        "loss_nats": run.loss_nats,
        "seconds": _seconds(run),
        "purpose": run.purpose,
    }


def _posterior(study: Study) -> dict[str, Any]:
    """Return the worst diagnostic over all laws of the study."""
    posteriors = [posterior.diagnostics for posterior in study.posteriors()]
    return {
        "max_rhat": max(d.max_rhat for d in posteriors),
        "min_ess_bulk": min(d.min_ess_bulk for d in posteriors),
        "divergences": sum(d.divergences for d in posteriors),
    }


def _check(study: Study, chosen: dict[str, Any]) -> dict[str, Any]:
    recommended, baseline = [run for run in study.runs if run.purpose == "check"][:2]
    timings = study.state.measurements()
    timed, baseline_timed = timings["check001"], timings["check002"]
    assert recommended.architecture is not None and recommended.loss_nats is not None
    return {
        "n_params": recommended.architecture.n_params,
        "n_tokens": recommended.n_tokens,
        "recommended_loss": recommended.loss_nats,
        "baseline_loss": baseline.loss_nats,
        "recommended_tpot_ms": timed.tpot_ms,
        "baseline_tpot_ms": baseline_timed.tpot_ms,
        "loss_inside_90": _inside(recommended.loss_nats, chosen["loss_nats"]),
        "latency_inside_90": _inside(timed.tpot_ms, chosen["tpot_ms"]),
        "anchor_drift": study.state.document("anchor_drift").payload,
        "seconds": [_seconds(recommended), _seconds(baseline)],
        "device": _device(timed),
    }


def _inside(value: float, quantiles: dict[str, float]) -> bool:
    return quantiles["p05"] <= value <= quantiles["p95"]


def _seconds(run: Run) -> float:
    return 3600 * (run.cost_gpu_hours or 0.0)


def _device(measurement: Measurement) -> str:
    return f"{measurement.device}, {measurement.engine_version}"
