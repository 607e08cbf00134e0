from dataclasses import replace

import numpy as np
import pytest
from search_world import finished, pool

from bayeslaw.errors import InvalidInputError
from bayeslaw.models.loss import LAWS, Diagnostics, fit_law
from bayeslaw.runs import RunTable, candidate_columns
from bayeslaw.search import Beliefs, PredictiveEnsemble, plan, recommend
from bayeslaw.space import Candidate


def test_a_fitted_law_plans_and_recommends(known_world):
    beliefs, _ = known_world
    done = [finished(candidate, f"r{i}") for i, candidate in enumerate(pool(14, seed=11))]
    posterior = fit_law(LAWS["chinchilla"], RunTable.from_runs(done), method="laplace", seed=0)
    ensemble = PredictiveEnsemble.from_beliefs([posterior])
    candidates = pool(40)
    # Members are the posterior's own draws, computed apart from those left out.
    direct = posterior.losses(candidate_columns(candidates))
    member = np.searchsorted(posterior.path_ids, ensemble.beliefs[0].path_ids)
    assert np.abs(ensemble.losses(candidates) - direct[member]).max() <= 1e-12
    known = Beliefs(ensemble, beliefs.latency, beliefs.workload, beliefs.cost)
    target = [Candidate(c.architecture, 20_000_000) for c in pool(40, seed=2)]
    for name in ("qlognehvi", "target_lookahead"):
        found = plan(known, candidates, done=done, q=2, acquisition=name, target_candidates=target)
        assert len(found) == 2
    doubtful, failed = (
        replace(posterior, diagnostics=Diagnostics({"E": r_hat}, {"E": 900.0}, {"E": 900.0}))
        for r_hat in (1.05, 1.3)
    )
    asked = {"done": done, "target_candidates": target}
    widened = plan(
        replace(known, loss=PredictiveEnsemble.from_beliefs([doubtful])), candidates, **asked
    )
    assert widened[0].record["notes"][0]["code"] == "posterior_widened"
    with pytest.raises(InvalidInputError, match="failed"):
        plan(replace(known, loss=PredictiveEnsemble.from_beliefs([failed])), candidates, **asked)
    chosen = recommend(known, target, baseline=target[0]).chosen
    assert chosen.loss_nats is not None
    assert chosen.loss_nats["p05"] < chosen.loss_nats["p50"] < chosen.loss_nats["p95"]
