"""simple-scaling-laws on one table: JSON in, JSON out; runs in an environment that has only that package.

It needs a newer Python than we do, so ours never imports it: `benchmarks.extrapolation.baselines`
starts this file there. In: ``fit`` and ``heldout`` (columns ``n``, ``n_tokens``, and ``loss_nats`` of
the first), ``seed``, ``n_draws``. Out: ``losses`` ``(draw, heldout)``, ``notes``, ``coefficients``,
``version``.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from typing import Any

_SIZE, _DATA, _LOSS = "model_size__n", "dataset_size__n_tokens", "test_loss__nats"


def forecast(request: dict[str, Any]) -> dict[str, Any]:
    peer = importlib.import_module("simple_scaling_laws")
    polars = importlib.import_module("polars")
    numpy = importlib.import_module("numpy")

    def places(columns: dict[str, list[float]]) -> dict[str, list[float]]:
        return {_SIZE: columns["n"], _DATA: columns["n_tokens"]}

    losses = request["fit"]["loss_nats"]
    runs = polars.DataFrame(
        {
            "training_run_id": [f"run{i}" for i in range(len(losses))],
            **places(request["fit"]),
            _LOSS: losses,
        }
    )
    with warnings.catch_warnings():
        # The same things stand in its notes, which are handed back.
        warnings.simplefilter("ignore", UserWarning)
        model = peer.fit(runs, n_draws=request["n_draws"], seed=request["seed"])
        points = model.prepare_points(places(request["heldout"]))
        # Its quantiles are taken over these draws: "what a single newly trained model might achieve".
        draws = model.target_draws(
            _LOSS,
            model.fitting_predictors(points),
            kind="new-run",
            rng=numpy.random.default_rng(request["seed"]),
        )
    return {
        "losses": draws.tolist(),
        "notes": sorted({note.code for note in model.warnings}),
        "coefficients": model.params(_LOSS),
        "version": peer.__version__,
    }


if __name__ == "__main__":
    json.dump(forecast(json.load(sys.stdin)), sys.stdout)
