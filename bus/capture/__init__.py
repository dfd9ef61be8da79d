"""Captures: everything that crossed the bus, recorded to MCAP files, and read back.

with Capture("capture.mcap") as capture:
    for message in capture:
        print(message.topic, message.event())
"""

from quotebus.bus.capture.captured import Captured, CaptureDamaged, Damage, Gap, NotACapture
from quotebus.bus.capture.metadata import CaptureMetadata
from quotebus.bus.capture.reader import Capture
from quotebus.bus.capture.writer import CaptureWriter

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
