"""Captures: everything that crosses the bus, recorded to MCAP files and read back.

with Capture("capture.mcap") as capture:
    for message in capture:
        print(message.topic, message.event())
"""

from quotebus.bus.capture.format.captured import Captured, CaptureDamaged, Damage, Gap, NotACapture
from quotebus.bus.capture.format.metadata import CaptureMetadata
from quotebus.bus.capture.format.writer import CaptureWriter
from quotebus.bus.capture.reader import Capture

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
