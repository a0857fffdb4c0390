"""A tiny drive with known geometry, and writers of it in the four forms of the Waymo data set.

Nothing of the readers under test takes part in making their input: v1 has a plain encoder of protocol buffers
with the field numbers of Waymo's files, and a textbook CRC.
"""

from .drive import CONTEXT, NAMES, OFFSET, ORDER, Body, Drive, turned
from .folders import write_drivestudio, write_street_gaussians
from .v1 import frame_message, framed, matrix_message, write_v1
from .v2 import write_v2

__all__ = [
    "CONTEXT",
    "NAMES",
    "OFFSET",
    "ORDER",
    "Body",
    "Drive",
    "frame_message",
    "framed",
    "matrix_message",
    "turned",
    "write_drivestudio",
    "write_street_gaussians",
    "write_v1",
    "write_v2",
]
