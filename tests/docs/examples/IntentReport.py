from quotebus import IntentReport
from quotebus.bus.capture import Capture

try:
    with Capture("captures/") as capture:  # as quotebus record wrote it
        for message in capture.read(topics=["report.strategy"]):
            print(message.event())
except FileNotFoundError:
    print("no capture yet; a report has", ", ".join(IntentReport.__struct_fields__))
