"""The bare pipeline of the measurements: what the same hops cost without anything that quotebus is for.

Three programs: `reader`'s quotes come from a PUB socket through `zmq.proxy`, into that from a websocket read by hand.
The same frames, the same libraries, the same topics and typed quotes at the end; no health, no numbers, no leases,
no judgement, no bound on any queue.
"""
