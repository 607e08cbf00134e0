"""The planning service as Python sees it: `Client`, its studies and the runs they hand out."""

from bayeslaw.client.client import Client
from bayeslaw.client.held_run import HeldRun
from bayeslaw.client.leased_runs import LeasedRuns
from bayeslaw.client.retrying import RetryPolicy
from bayeslaw.client.study import RemoteStudy

__all__ = ["Client", "HeldRun", "LeasedRuns", "RemoteStudy", "RetryPolicy"]
