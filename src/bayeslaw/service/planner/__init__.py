from bayeslaw.service.planner.supervisor import PlannerSupervisor

__all__ = ["PlannerSupervisor"]
