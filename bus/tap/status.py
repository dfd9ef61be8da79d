"""Exit statuses of the tap's verbs. Pure."""

from __future__ import annotations

NOTHING_HEARD = 124
"""The time was up, or the capture at its end, and less was heard than asked for; as the command `timeout` ends."""
NOT_USABLE = 1
"""`why`: the price may not be used, or the tap cannot tell."""
