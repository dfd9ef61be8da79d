from quotebus import make_frame
from quotebus.bus.capture import Capture

quotes = [message.event() for message in Capture("day.mcap").read(topics=["quote.SPY"])]
frame = make_frame(quotes)
print(frame["mid"].resample("1s").last())
