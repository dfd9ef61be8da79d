"""The modules that say whether a price may be trusted, each with its own tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judged:
    """A module, by its installed name, and the test files that are its own."""

    module: str
    tests: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"{self.module.removeprefix('quotebus.').replace('.', '/')}.py"


JUDGED = {
    "book": Judged("quotebus.bus.book", ("tests/bus/test_book.py", "tests/bus/test_book_bounds.py")),
    "quality": Judged("quotebus.pricing.quality", ("tests/pricing/test_quality.py",)),
    "level": Judged("quotebus.pricing.level", ("tests/pricing/test_level.py",)),
    "limit_price": Judged(
        "quotebus.execution_adapter.decision.limit_price", ("tests/execution_adapter/decision/test_limit_price.py",)
    ),
    "assessment": Judged(
        "quotebus.execution_adapter.decision.assessment",
        (
            "tests/execution_adapter/decision/test_assessment.py",
            "tests/execution_adapter/decision/test_assessment_rows.py",
            "tests/execution_adapter/decision/test_order_steps.py",
        ),
    ),
}
