"""Learning and measuring: the loop, what it keeps, and how it is spread over processes."""

from pixelrnn.train.evaluation import Classification, Evaluation, classify, evaluate
from pixelrnn.train.loop import fit
from pixelrnn.train.scales import fit_scales

__all__ = ["Classification", "Evaluation", "classify", "evaluate", "fit", "fit_scales"]
