"""Settings of `quotebus record`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import CliPositionalArg

from quotebus.bus.capture.topic_prefixes import parse_prefixes
from quotebus.bus.settings import CLIENT_NAME, BusSettings

LONGEST_NAME = 240
"""Most file systems take 255 bytes; a number and `.mcap.part` are added."""


class RecordSettings(BusSettings):
    """Where to record, what, and when a new file is begun."""

    topics: CliPositionalArg[list[str]] = Field(
        default_factory=list, description="topic prefixes to record, such as quote. or health.; everything by default"
    )
    record_output: str = Field(
        "captures/",
        validation_alias=AliasChoices("o", "output", "record_output"),
        description="file (.mcap), or folder (with a slash) for capture-<UTC>.mcap; no file is ever replaced",
    )
    record_name: str = Field("all", description="the recorder's name on the bus, recorder.<name>")
    record_compression: Literal["lz4", "zstd", "none"] = Field("lz4", description="of the chunks")
    record_rotate_mb: int = Field(256, ge=1, le=1 << 20, description="begin a new file at this size, in MiB")
    record_rotate_s: float = Field(900, gt=0, le=1e8, description="begin a new file at this age")
    record_sync_s: float = Field(1, gt=0, le=60, description="how often what was written is forced to the disk")
    record_queue_mb: int = Field(64, ge=4, le=1 << 14, description="memory for what the disk has not taken yet, in MiB")
    record_disk_timeout_s: float = Field(
        4, ge=1.5, le=600, description="a disk that hangs for longer ends the recording; after 1 s it is called slow"
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
