"""The study that is served, and a plan for it that never runs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayeslaw.runs import Run
from bayeslaw.store import PlanItem, SqlStore
from bayeslaw.study.config import StudyConfig


def study_config(name: str, acquisition: str = "random") -> dict[str, Any]:
    """Return a study whose space has millions of members and whose budget nobody can spend.

    With ``random`` the planner draws runs from the space and needs no law for it, so that the service
    is what is loaded; with ``target_lookahead`` it fits and decides as for any user.
    """
    content = {
        "name": name,
        "space": {
            "axes": {
                "n_layers": {"min": 2, "max": 16, "step": 1},
                "d_model": {"min": 64, "max": 512, "step": 16},
                "n_heads": [2, 4, 6, 8, 12, 16],
                "n_kv_heads": [1, 2, 4, 8],
                "head_dim": [16, 32, 64],
                "d_ff": {"min": 64, "max": 2048, "step": 32},
                "vocab_size": 4096,
                "tied_embeddings": True,
                "n_tokens": {"min": 1_000_000, "max": 64_000_000, "step": 1_000_000},
            },
            "constraints": ["0.5 <= mlp_attention_ratio", "mlp_attention_ratio <= 6"],
        },
        "train": {"constraints": ["n_params <= 2e7"]},
        "workload": {
            "batch_size": 1, "prompt_tokens": 256, "output_tokens": 64, "precision": "float32",
        },
        "target": {
            "n_params": 27_400_000,
            "n_tokens": 1_000_000_000,
            "objectives": ["-loss_nats"],
            "limits": [],
            "baseline": {
                "n_layers": 8, "d_model": 512, "n_heads": 8, "n_kv_heads": 8, "head_dim": 64,
                "d_ff": 1376, "tied_embeddings": True,
            },
        },
        "plan": {
            "initial_runs": 8,
            "rounds": 1000,
            "runs_per_round": 2,
            "pool": 512,
            "budget_gpu_hours": 1e9,
            "acquisition": acquisition,
        },
    }  # fmt: skip
    return StudyConfig.from_dict(content, source=name).to_dict()


def lay_plan(address: str | Path, study_id: str, n_items: int, *, seed: int = 0) -> None:
    """Write a plan of random members into the store, for a service that runs without planners.

    Args:
        address: Of the store.
        study_id: A study made from `study_config`.
        n_items: Of the plan [count].
        seed: Of the draw.
    """
    with SqlStore(address) as store:
        space = StudyConfig.from_dict(store.config(study_id)).training_space
        items = [
            PlanItem(rank, _run(candidate))
            for rank, candidate in enumerate(space.sample(n_items, seed=seed))
        ]
        with store.changing(study_id) as change:
            change.replace_plan(items)


def some_runs(n_runs: int, *, first: int = 0, seed: int = 1) -> list[dict[str, Any]]:
    """Return done runs as ``POST .../runs`` takes them, for a study with a long past.

    Args:
        n_runs: How many.
        first: Number in the first one's name.
        seed: Of their shapes; a plan of the same seed would have the same candidates.
    """
    space = StudyConfig.from_dict(study_config("past")).training_space
    return [
        {
            "run_id": f"past-{first + i}",
            "status": "done",
            "architecture": candidate.architecture.to_dict(),
            "n_tokens": int(candidate.n_tokens),
            "loss_nats": 2.0 + 1.0 / (1 + (first + i) % 997),
            "loss_stderr": 0.01,
            "cost_gpu_hours": 0.1,
        }
        for i, candidate in enumerate(space.sample(n_runs, seed=seed))
    ]


def _run(candidate: Any) -> Run:
    return Run(
        "planned",
        n_tokens=int(candidate.n_tokens),
        architecture=candidate.architecture,
        purpose="suggested",
    )
