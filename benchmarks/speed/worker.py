"""One contestant in a fresh process: a cold fit, then a second one to new data of the same size.

``python -m benchmarks.speed.worker CONTESTANT N_RUNS SEED`` prints one line of JSON. The clock starts
before anything heavy is imported; the folder of compiled code that the environment names is empty.
"""

from __future__ import annotations

import time

_START = time.perf_counter()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

N_CHAINS = 4
N_DRAWS = 1000
NUMPYRO_WARMUP = 1000


def ours(method: Any) -> tuple[Callable[[Any, int], dict[str, Any]], Callable[[], Any]]:
    from bayeslaw.models.loss import fit_law, sampling  # noqa: F401 (imports, jax's among them)
    from benchmarks.speed.task import LAW, SCALES

    last: list[Any] = []

    def fit(table: Any, seed: int) -> dict[str, Any]:
        posterior = fit_law(LAW, table, method=method, seed=seed, scale_prior=SCALES)
        last[:] = [posterior]
        found = posterior.diagnostics
        if method != "nuts":
            return {}
        return {
            "max_rhat": found.max_rhat,
            "min_ess_bulk": found.min_ess_bulk,
            "divergences": found.divergences,
            "mean_steps": found.mean_steps,
        }

    return fit, lambda: last[0]


def numpyro(jit_model_args: bool) -> Callable[[Any, int], dict[str, Any]]:
    """Return NumPyro's defaults on the same density, in float64 as ours.

    Default NUTS, initial points and adaptation; the density enters as a factor beside the standard
    normal prior that it contains. ``jit_model_args`` spares it the second compilation.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    import numpy as np
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    from bayeslaw.models.loss.coordinates import Coordinates
    from bayeslaw.models.loss.density import log_density
    from bayeslaw.models.loss.diagnostics import diagnose
    from bayeslaw.models.loss.evidence import gather_evidence, padded
    from benchmarks.speed.task import LAW, SCALES

    coordinates = Coordinates(LAW, has_trunks=False)

    def model(evidence: Any) -> None:
        standard = dist.Normal(jnp.zeros(len(coordinates)), 1.0).to_event(1)
        z = jnp.asarray(numpyro.sample("z", standard))
        numpyro.factor("runs", log_density(z, evidence, LAW) + 0.5 * jnp.sum(z**2))

    sampler = MCMC(
        NUTS(model),
        num_warmup=NUMPYRO_WARMUP,
        num_samples=N_DRAWS,
        num_chains=N_CHAINS,
        chain_method="sequential",
        progress_bar=False,
        jit_model_args=jit_model_args,
    )

    def fit(table: Any, seed: int) -> dict[str, Any]:
        gathered = gather_evidence(LAW, table)
        evidence = padded(gathered, LAW, SCALES)
        sampler.run(jax.random.key(seed), evidence, extra_fields=("num_steps", "diverging"))
        z = np.asarray(sampler.get_samples(group_by_chain=True)["z"])
        extra = sampler.get_extra_fields(group_by_chain=True)
        at = coordinates.unpack(z, vars(SCALES))
        named = LAW.from_unconstrained(at.coefficients, gathered.log_reference, np)
        named |= {"sigma": at.sigma, "tau": at.tau, "rho": at.rho, "growth": at.growth}
        found = diagnose(named, np.asarray(extra["diverging"]), np.asarray(extra["num_steps"]))
        return {
            "max_rhat": found.max_rhat,
            "min_ess_bulk": found.min_ess_bulk,
            "divergences": found.divergences,
            "mean_steps": found.mean_steps,
        }

    return fit


def main(contestant: str, n_runs: int, seed: int) -> dict[str, Any]:
    posterior: Callable[[], Any] | None = None
    if contestant.startswith("numpyro"):
        fit = numpyro(jit_model_args=contestant == "numpyro_jit_model_args")
    else:
        fit, posterior = ours(contestant.removeprefix("ours_"))
    from benchmarks.speed.task import make_table, with_one_more

    imported = time.perf_counter()
    report: dict[str, Any] = {"seconds_imports": imported - _START}
    for name, of in (("cold", seed), ("warm", seed + 1)):
        table = make_table(n_runs, of)
        start = time.perf_counter(), time.process_time()
        report[name] = fit(table, of)
        report[name]["seconds"] = time.perf_counter() - start[0]
        report[name]["cpu_seconds"] = time.process_time() - start[1]
    report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if posterior is not None:
        from bayeslaw.models.loss.update import update_posterior

        larger = with_one_more(make_table(n_runs, seed + 1), seed + 2)
        start_wall = time.perf_counter()
        found = update_posterior(posterior(), larger)
        report["update"] = {
            "seconds": time.perf_counter() - start_wall,
            "k_hat": found.k_hat,
            "n_effective": found.n_effective,
            "needs_refit": found.needs_refit,
        }
    return report


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
