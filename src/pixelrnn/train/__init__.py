"""Learning and measuring: the loop, what it keeps, and how it is spread over processes."""

from pixelrnn.train.evaluation import Evaluation, evaluate
from pixelrnn.train.loop import Progress, Run, fit
from pixelrnn.train.scales import fit_scales

__all__ = ["Evaluation", "Progress", "Run", "evaluate", "fit", "fit_scales"]
