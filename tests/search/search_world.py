"""A small world whose answers are known: Chinchilla with an aspect-ratio penalty, a CPU, costs."""

from dataclasses import dataclass, field

import numpy as np

from bayeslaw.models.costs import fit_cost
from bayeslaw.models.latency import fit_latency, roofline_ms
from bayeslaw.runs import Measurement, Run
from bayeslaw.search import Beliefs, PredictiveEnsemble
from bayeslaw.space import Architecture, Candidate, Device, Workload

DEVICE = Device("local", {"float32": 5e10}, 1e10, 8e9)
SERVE = Workload()


@dataclass
class ChinchillaBelief:
    """E + A/N^a + B/D^b with uncertain coefficients (Hoffmann et al. 2022, scaled down)."""

    n_draws: int = 400
    seed: int = 0
    spread: float = 1.0
    theta: dict = field(init=False)
    sigma: np.ndarray = field(init=False)

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        normal = rng.standard_normal((5, self.n_draws)) * self.spread
        self.theta = {
            "E": 1.5 + 0.05 * normal[0],
            "A": 60 * np.exp(0.05 * normal[1]),
            "B": 120 * np.exp(0.05 * normal[2]),
            "alpha": 0.34 + 0.003 * normal[3],
            "beta": 0.3 + 0.003 * normal[4],
        }
        self.sigma = np.full(self.n_draws, 0.005)

    def noise_scale(self, columns):
        return np.tile(self.sigma[:, None], len(columns["n_tokens"]))

    def losses(self, columns):
        E, A, B, alpha, beta = (values[:, None] for values in self.theta.values())
        penalty = 1 + 0.01 * np.log(columns["aspect_ratio"] / 30) ** 2
        n, d = columns["n_params_body"], columns["n_tokens"]
        return (E + A / n**alpha + B / d**beta) * penalty


class UnsureOfShape(ChinchillaBelief):
    """The same with a best aspect ratio that is known to a factor of two or so."""

    def losses(self, columns):
        best = np.log(30) + 0.7 * np.random.default_rng(11).standard_normal(self.n_draws)[:, None]
        ratio = np.log(columns["aspect_ratio"])
        known = 1 + 0.01 * (ratio - np.log(30)) ** 2
        return super().losses(columns) / known * (1 + 0.01 * (ratio - best) ** 2)


def shape(n_layers, d_model, n_heads=4):
    return Architecture(n_layers, d_model, n_heads, n_heads, 16, 3 * d_model, 257)


def true_latency_ms(architecture, phase):
    """A roofline at 40-50 % of the peaks, 80 us a pass and 120 us a layer."""
    (ideal,) = roofline_ms(
        [architecture], SERVE, DEVICE, phase=phase, flop_efficiency=0.4, byte_efficiency=0.5
    )
    return float(ideal) + 0.08 + 0.12 * architecture.n_layers


def pool(n, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    found = {}
    while len(found) < n:
        layers = max(1, round(float(rng.integers(2, 12)) * scale))
        width = 16 * max(1, round(float(rng.integers(2, 24)) * scale))
        tokens = int(rng.integers(4, 33)) * 250_000
        found[Candidate(shape(layers, width, int(rng.choice([2, 4, 8]))), tokens)] = None
    return list(found)


def finished(candidate, name):
    flops = candidate.architecture.train_flops_per_token("attention_aware", 128)
    columns = {
        "n_params_body": np.array([float(candidate.architecture.n_params_body)]),
        "n_tokens": np.array([float(candidate.n_tokens)]),
        "aspect_ratio": np.array([candidate.architecture.aspect_ratio]),
    }
    loss = float(np.median(ChinchillaBelief().losses(columns)))
    run = Run(name, candidate.n_tokens, candidate.architecture).advance("running")
    return run.complete(loss_nats=loss, cost_gpu_hours=flops * candidate.n_tokens / 2e10 / 3600)


def world(n_members=256, n_done=10):
    """Return beliefs and the done runs that they rest on."""
    done = [finished(candidate, f"r{i}") for i, candidate in enumerate(pool(n_done, seed=9))]
    timed = [
        Measurement(
            a, SERVE, "local", "torch 2", true_latency_ms(a, "prefill"),
            true_latency_ms(a, "decode"), 1e-3, 1e-3, 9,
        )
        for a in dict.fromkeys(c.architecture for c in pool(14, seed=8))
    ]  # fmt: skip
    beliefs = Beliefs(
        loss=PredictiveEnsemble.from_beliefs([ChinchillaBelief(n_draws=1000)], n_members=n_members),
        latency=fit_latency(timed, DEVICE, seed=0),
        workload=SERVE,
        cost=fit_cost(done, seq_len=128),
    )
    return beliefs, done
