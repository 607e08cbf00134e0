from bayeslaw.study.suite.config import SuiteConfig
from bayeslaw.study.suite.design import Trunk, design
from bayeslaw.study.suite.jobs import SuitePlan, plan_suite

__all__ = ["SuiteConfig", "SuitePlan", "Trunk", "design", "plan_suite"]
