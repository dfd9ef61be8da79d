from quotebus import QuotebusError
from quotebus.bus.capture import Capture

try:
    Capture("no-such-file.mcap")
except (QuotebusError, OSError) as error:
    print(error)
