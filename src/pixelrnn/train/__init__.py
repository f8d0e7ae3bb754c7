"""Learning and measuring: the loop, what it keeps, and how it is spread over processes."""

from pixelrnn.train.evaluation import Evaluation, evaluate
from pixelrnn.train.loop import Progress, Run, fit

__all__ = ["Evaluation", "Progress", "Run", "evaluate", "fit"]
