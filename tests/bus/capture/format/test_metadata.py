"""The head of a capture: what is written is what is read, and nothing else is believed."""

from __future__ import annotations

import pytest

from quotebus.bus.capture.format.metadata import compute_checksum, from_map, make_end_map, read_lost, to_map
from tests.support.captures import HEAD


def test_a_head_is_read_as_it_was_written() -> None:
    assert from_map(to_map(HEAD)) == HEAD


@pytest.mark.parametrize("key", [key for key in to_map(HEAD) if key != "crc32"])
def test_every_changed_or_missing_pair_is_found(key: str) -> None:
    texts = to_map(HEAD)
    with pytest.raises(ValueError, match="checksum"):
        from_map({**texts, key: texts[key] + "1"})
    del texts[key]
    with pytest.raises(ValueError, match="checksum"):
        from_map(texts)


def forged(**changes: str) -> dict[str, str]:
    texts = {**to_map(HEAD), **changes}
    del texts["crc32"]
    return {**texts, "crc32": compute_checksum(texts)}


def test_a_forged_head_is_one_error() -> None:
    for changes in ({"format": "2"}, {"segment": "x"}, {"utc_ns": "9" * 5_000}):
        with pytest.raises(ValueError, match=r".") as refused:
            from_map(forged(**changes))
        assert "\n" not in str(refused.value)
    assert from_map(forged(later="field")) == HEAD


def test_losses_at_the_end() -> None:
    assert read_lost(make_end_map(5, 2, "stopped")) == 2
    assert read_lost(make_end_map(5, None, "recovered")) is None
    assert read_lost({"lost": "-1"}) is None
    assert read_lost({"lost": "9" * 30}) is None
