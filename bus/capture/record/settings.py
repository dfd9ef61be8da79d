"""Settings of `quotebus record`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Field, field_validator

from quotebus.bus.capture.topic_prefixes import parse_prefixes
from quotebus.bus.process.flags import Positional, Unit, Words
from quotebus.bus.settings import CLIENT_NAME, BusSettings, LogSettings

ALL = "all"
"""The name of a recorder that was given none."""
LONGEST_NAME = 240
"""Most file systems take 255 bytes; a number and `.mcap.part` are added."""


class RecordSettings(BusSettings, LogSettings):
    """Where to record, what, and when a new file is begun."""

    about = "Records everything that crosses the bus to MCAP files, until it is stopped."
    examples = (
        "quotebus record  # to captures/capture-<UTC>.mcap",
        "quotebus record -o day.mcap quote. health.  # quotes and health only",
        "quotebus record --compression zstd --rotate-s 3600",
    )
    flag_prefix = "record_"
    headings: ClassVar = {"topics": "what and where", "record_rotate_mb": "files", "record_sync_s": "disk"}

    topics: Annotated[Words, Positional(), Unit("TOPIC")] = Field(
        default_factory=list,
        validation_alias=AliasChoices("record_topics"),
        description="prefixes of the topics to record, such as quote. or health.; everything without one",
    )
    record_output: Annotated[str, Unit("PATH")] = Field(
        "captures/",
        validation_alias=AliasChoices("o", "output", "record_output"),
        description="file (.mcap), or folder (with a slash) for capture-<UTC>.mcap; no file is ever replaced",
    )
    record_name: Annotated[str, Unit("NAME")] = Field(
        ALL, description="the recorder's name on the bus, as in recorder.<name>"
    )
    record_compression: Literal["lz4", "zstd", "none"] = Field("lz4", description="compression of the chunks")
    record_rotate_mb: int = Field(256, ge=1, le=1 << 20, description="begin a new file at this size")
    record_rotate_s: float = Field(900, gt=0, le=1e8, description="begin a new file at this age")
    record_keep_s: float = Field(
        0, ge=0, le=1e10, description="remove this recorder's complete files in the folder at this age; 0 keeps them"
    )
    record_keep_mb: int = Field(
        0, ge=0, le=1 << 30, description="remove its oldest complete files beyond this size together; 0 for no bound"
    )
    record_sync_s: float = Field(1, gt=0, le=60, description="time between forced writes to the disk")
    record_queue_mb: int = Field(
        64, ge=4, le=1 << 14, description="memory for messages that the disk has not taken yet"
    )
    record_disk_timeout_s: float = Field(
        4, ge=1.5, le=600, description="end the recording when the disk hangs longer; after 1 s it is called slow"
    )

    @field_validator("record_name")
    @classmethod
    def _name(cls, name: str) -> str:
        if not CLIENT_NAME.match(name):
            raise ValueError("not a name: A-Z a-z 0-9 _ . : - and at most 64 of them")
        return name

    @field_validator("record_output")
    @classmethod
    def _output(cls, output: str) -> str:
        path = Path(output)
        try:
            names = [name.encode() for name in path.parts]
        except UnicodeEncodeError:
            raise ValueError("a file's name must be UTF-8, as it is told to the bus") from None
        if b"\0" in output.encode() or any(len(name) > LONGEST_NAME for name in names):
            raise ValueError(f"not a file's name: at most {LONGEST_NAME} bytes, and none of them zero")
        try:
            if path.exists() and not path.is_dir() and not path.is_file():
                raise ValueError(f"{output} is neither a file nor a folder")
        except OSError as error:
            raise ValueError(f"{error.strerror}: {output[:200]}") from None
        return output

    @field_validator("topics")
    @classmethod
    def _topics(cls, topics: list[str]) -> list[str]:
        return list(parse_prefixes(topics))
