"""Captures: everything that crossed the bus, recorded to MCAP files, and read back.

with Capture("capture.mcap") as capture:
    for message in capture:
        print(message.topic, message.event())
"""

from bus.capture.captured import Captured, CaptureDamaged, Damage, Gap, NotACapture
from bus.capture.metadata import CaptureMetadata
from bus.capture.reader import Capture
from bus.capture.writer import CaptureWriter

__all__ = [
    "Capture",
    "CaptureDamaged",
    "CaptureMetadata",
    "CaptureWriter",
    "Captured",
    "Damage",
    "Gap",
    "NotACapture",
]
