from bayeslaw.lab.train.evaluate import Evaluation, evaluate
from bayeslaw.lab.train.loop import train
from bayeslaw.lab.train.schedule import learning_rate

__all__ = ["Evaluation", "evaluate", "learning_rate", "train"]
