"""The same loop on other planning services."""

from benchmarks.service.peers.contestant import Contestant, Load, Serving
from benchmarks.service.peers.optuna_grpc import OptunaGrpc
from benchmarks.service.peers.ours import OurService
from benchmarks.service.peers.race import race
from benchmarks.service.peers.vizier_service import VizierService

PEERS: tuple[Contestant, ...] = (
    OptunaGrpc("sqlite"),
    OptunaGrpc("postgres"),
    OptunaGrpc("journal"),
    VizierService("sql"),
    VizierService("ram"),
)
"""Everyone our service is measured against."""

OURS: tuple[Contestant, ...] = (OurService("sqlite"), OurService("postgres"))

__all__ = [
    "OURS",
    "PEERS",
    "Contestant",
    "Load",
    "OptunaGrpc",
    "OurService",
    "Serving",
    "VizierService",
    "race",
]
