from bayeslaw.store.backup import copy_store
from bayeslaw.store.change import Change
from bayeslaw.store.clock import SteadyClock
from bayeslaw.store.protocol import Store
from bayeslaw.store.reading import Reader
from bayeslaw.store.records import (
    Answer,
    Document,
    Event,
    Operation,
    PlanItem,
    StoredMeasurement,
    StoredRun,
    StoredStudy,
    StudyStatus,
    Token,
    View,
    candidate_key,
)
from bayeslaw.store.replay import Replay, replay
from bayeslaw.store.sql import SqlStore
from bayeslaw.store.tallies import OPEN, Tallies
from bayeslaw.store.transaction import Transaction

__all__ = [
    "OPEN",
    "Answer",
    "Change",
    "Document",
    "Event",
    "Operation",
    "PlanItem",
    "Reader",
    "Replay",
    "SqlStore",
    "SteadyClock",
    "Store",
    "StoredMeasurement",
    "StoredRun",
    "StoredStudy",
    "StudyStatus",
    "Tallies",
    "Token",
    "Transaction",
    "View",
    "candidate_key",
    "copy_store",
    "replay",
]
