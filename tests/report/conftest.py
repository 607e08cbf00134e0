from dataclasses import replace

import numpy as np
import pytest

from bayeslaw.models.costs import fit_cost
from bayeslaw.models.latency import fit_latency
from bayeslaw.models.loss import LAWS, fit_law
from bayeslaw.report import ReportContent
from bayeslaw.runs import Measurement, Run, RunTable, architecture_columns
from bayeslaw.search import Beliefs, PredictiveEnsemble, plan, recommend
from bayeslaw.space import Architecture, Candidate, SearchSpace, Target, Workload

LAW = LAWS["conditional_multiplicative"]
TRUTH = {
    "E": 1.0, "A": 45.0, "alpha": 0.35, "B": 180.0, "beta": 0.38,
    "x_star": 0.16, "a1": 0.05, "r_star": 1.6, "b1": 0.02,
}  # fmt: skip
BASELINE = Architecture(
    n_layers=4, d_model=128, n_heads=4, n_kv_heads=4, head_dim=32, d_ff=344, vocab_size=257,
    tied_embeddings=True,
)  # fmt: skip
SPACE = SearchSpace(
    axes={
        "n_layers": [2, 3, 4, 6, 8], "d_model": [64, 96, 128, 160], "n_heads": [2, 4, 8],
        "n_kv_heads": [1, 2, 4], "head_dim": [16, 32], "d_ff": {"min": 64, "max": 768, "step": 32},
        "vocab_size": 257, "tied_embeddings": True, "n_tokens": [1_000_000, 4_000_000],
    }
)  # fmt: skip
HOSTILE = 'NaN at step 3 </script><img src=x onerror=alert(1)> & "quotes"'


def true_loss(architecture: Architecture, n_tokens: int) -> float:
    columns = {**architecture_columns([architecture]), "n_tokens": np.array([float(n_tokens)])}
    return float(LAW(TRUTH, columns)[0])


def timed(architecture: Architecture) -> Measurement:
    ttft_ms = 0.3 + 0.25 * architecture.n_layers + 2e-6 * architecture.n_params
    tpot_ms = 0.1 + 0.11 * architecture.n_layers + 1e-7 * architecture.n_params
    return Measurement(
        architecture, Workload(), "cpu", "torch 2.9", ttft_ms, tpot_ms, 0.03, 0.01, n_repeats=20
    )


def done(run_id: str, candidate: Candidate, purpose: str, noise: float = 0.0) -> Run:
    loss = true_loss(candidate.architecture, candidate.n_tokens) * float(np.exp(noise))
    return (
        Run(run_id, candidate.n_tokens, candidate.architecture, purpose=purpose)
        .advance("running")
        .complete(loss_nats=loss, loss_stderr=0.004, cost_gpu_hours=0.01, record={"seconds": 36.0})
    )


@pytest.fixture(scope="session")
def target() -> Target:
    return Target(
        n_params=BASELINE.n_params,
        n_tokens=16_000_000,
        baseline=BASELINE,
        limits=("tpot_ms <= 1.0 * baseline",),
    )


@pytest.fixture(scope="session")
def content(target: Target) -> ReportContent:
    """Return a whole study: real fits, a real recommendation, its check."""
    rng = np.random.default_rng(1)
    training = SPACE.where("4e4 <= n_params", "n_params <= 3.5e5")
    runs = [
        done(f"run-{i:02d}", candidate, "initial" if i < 8 else "suggested", noise)
        for i, (candidate, noise) in enumerate(
            zip(training.sample(14, seed=3), 0.006 * rng.standard_normal(14), strict=True)
        )
    ]
    runs[3] = runs[3].superseded_for("the evaluation set leaked into <train>")
    failed = Run("run-<b>14</b>", 1_000_000, BASELINE, purpose="suggested").advance("running")
    runs.append(failed.advance("failed", reason=HOSTILE))
    posterior = fit_law(LAW, RunTable.from_runs(runs), method="laplace", n_draws=800)
    candidates = target.candidates(SPACE).sample(48, seed=0)
    measurements = [timed(a) for a in (BASELINE, *(c.architecture for c in candidates[:5]))]
    latency = fit_latency(measurements)
    beliefs = Beliefs(
        loss=PredictiveEnsemble.from_beliefs([posterior], n_members=128),
        latency=latency,
        workload=Workload(),
        cost=fit_cost(runs),
    )
    recommendation = recommend(
        beliefs,
        candidates,
        baseline=target.baseline_candidate,
        objectives=target.objectives,
        limits=tuple(limit.text for limit in target.limit_expressions),
    )
    suggestions = plan(
        beliefs, training.sample(32, seed=9), done=[], pending=[], q=2, seed=0,
        budget_gpu_hours=1.0, acquisition="qlognehvi",
    )  # fmt: skip
    chosen = recommendation.chosen
    assert chosen.loss_nats is not None
    check = done("check-recommended", chosen.candidate, "check")
    check_baseline = done("check-baseline", target.baseline_candidate, "check")
    return ReportContent(
        study_name="tiny <study> & co",
        target=target,
        runs=[*runs, check, check_baseline],
        measurements=measurements,
        posteriors=[posterior],
        recommendation=recommendation.to_dict(),
        suggestions=[suggestion.to_dict() for suggestion in suggestions],
        check={
            "recommended_loss": check.loss_nats,
            "baseline_loss": check_baseline.loss_nats,
            "recommended_tpot_ms": timed(chosen.candidate.architecture).tpot_ms,
            "baseline_tpot_ms": timed(BASELINE).tpot_ms,
        },
        latency=latency,
        spent={"train": 341.2, "fit <nuts>": 38.1},
        spent_gpu_hours=0.19,
        versions={"bayeslaw": "0.1.0", "device": "2 cores <cpu>"},
    )


@pytest.fixture(scope="session")
def unchecked(content: ReportContent) -> ReportContent:
    return replace(content, check=None)
