from bayeslaw.lab.train.evaluate import Evaluation, evaluate
from bayeslaw.lab.train.loop import train
from bayeslaw.lab.train.schedule import rate_fraction
from bayeslaw.lab.train.step import TrainingStep
from bayeslaw.lab.train.world import World

__all__ = ["Evaluation", "TrainingStep", "World", "evaluate", "rate_fraction", "train"]
