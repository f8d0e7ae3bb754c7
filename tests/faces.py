"""Raster faces in tests: a walk with everything by name, and asking without a report."""

from pixelrnn.condition import Condition
from pixelrnn.config import Sampling
from pixelrnn.walk.protocol import Batch
from pixelrnn.walk.walk import walk


def face_of(model, size, **restrictions):
    """The raster face of a model."""
    return model.face(tuple(size), Sampling(**restrictions))


def run_walk(face, values, *, uniform=None, stops=None, batch=256, **given):
    """A walk; `given` are the fields of a condition and of a batch."""
    condition = Condition(**{name: given.pop(name, None) for name in Condition._fields})
    walk(face, Batch(values, condition, **given), uniform=uniform, stops=stops, batch=batch)


def ask(face, values, answer, *, is_known=None, **condition):
    """Have every value chosen."""
    face.ask(Batch(values, Condition(**condition), is_known=is_known), answer, lambda _: None)
