"""How much of everything is done, in full and with ``--quick``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Say how long and how often.

    Attributes:
        load_s: Of each part of the load [s].
        planner_s: Of the load on a service with a planner [s].
        growth_runs: Runs in one study at which growth is measured [count].
        growth_s: Of each of these measurements [s].
        kills: Of the server, by backend [count].
        planner_kills: Of server and planner, on SQLite [count].
        restarts: Of Postgres [count].
        odd_runs: Whose messages come twice and in any order [count].
        loris_s: That 500 sockets dawdle [s].
        large_bodies: Of each kind, a round [count].
        malformed: Random requests for each operation, beside those that walk through the schema
            [count].
        race_s: Of each contestant's measured time [s].
        race_warm_up_s: Before that [s].
    """

    load_s: float = 30.0
    planner_s: float = 60.0
    growth_runs: tuple[int, ...] = (1_000, 10_000, 30_000, 100_000)
    growth_s: float = 12.0
    kills: tuple[tuple[str, int], ...] = (("sqlite", 200), ("postgres", 80))
    planner_kills: int = 20
    restarts: int = 10
    odd_runs: int = 500
    loris_s: float = 30.0
    large_bodies: int = 8
    malformed: int = 250
    race_s: float = 30.0
    race_warm_up_s: float = 5.0


FULL = Sizes()
QUICK = Sizes(
    load_s=8.0,
    planner_s=15.0,
    growth_runs=(1_000, 10_000),
    growth_s=6.0,
    kills=(("sqlite", 16), ("postgres", 8)),
    planner_kills=2,
    restarts=2,
    odd_runs=60,
    loris_s=12.0,
    large_bodies=2,
    malformed=1,
    race_s=8.0,
    race_warm_up_s=3.0,
)
