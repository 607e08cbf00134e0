from bayeslaw.store.protocol import Store
from bayeslaw.store.records import Document, Event, StoredMeasurement, StoredRun
from bayeslaw.store.sql import SqlStore

__all__ = ["Document", "Event", "SqlStore", "Store", "StoredMeasurement", "StoredRun"]
