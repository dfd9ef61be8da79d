"""`python -m tests.docs.api_page > docs/api.md`: the page of the public names, from signatures and docstrings.

griffe reads the source without importing it: signatures, docstrings, and the text below a field.
"""

from __future__ import annotations

import functools
import inspect
import pkgutil
import sys
from pathlib import Path

import griffe

from quotebus import BusSettings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = Path(__file__).with_name("examples")
GROUPS = {
    "Clients": ("BusClient", "AsyncBusClient", "Feed", "AsyncFeed", "BusSettings"),
    "Recordings": ("ReplayClient", "AsyncReplayClient"),
    "Frames": ("make_frame", "MissingExtra"),
    "What a client returns": (
        "Verdict",
        "Reasons",
        "Unusable",
        "Standing",
        "SymbolResult",
        "AssetFacts",
        "HaltKnowledge",
    ),
    "Prices": ("Quote", "Flag", "Trade"),
    "Health": ("ConnectionHealth", "ConnectionState", "SymbolStatus", "SymbolState", "Cause"),
    "Orders": (
        *("ExecutionResult", "ExecutionOutcome", "ReportedOrder", "TradeIntent", "IntentReport"),
        *("ExecutionDecision", "OrderUpdate"),
    ),
    "Counters": ("Counters",),
    "Errors": ("QuotebusError", "ClientClosed", "ClientInherited"),
    "Time and version": ("now_ns", "__version__"),
}
SETTINGS = BusSettings.model_fields
MADE_BY_CALLERS = ("BusClient", "AsyncBusClient", "ReplayClient", "AsyncReplayClient")
INHERITS = {"ReplayClient": "BusClient", "AsyncReplayClient": "AsyncBusClient"}
"""Members of these are told once, with the other."""
HEAD = """# API

Everything that `from quotebus import …` offers. Times are integer nanoseconds in fields that end in `_ns`, UTC unless
a text says otherwise. Durations that a caller gives are seconds, in arguments that end in `_s`. Prices are in the
currency of the venue; an absent side is `None`, never 0. On the wire: [bus/EVENTS.md](../bus/EVENTS.md).

Each example runs as a test, with a broker, a pricing node and the simulated exchange.
"""


WORDS = {
    "Cause": "Causes",
    "ConnectionState": "Connection states",
    "ExecutionOutcome": "Outcomes",
    "Flag": "Flags",
    "HaltKnowledge": "Halts",
    "SymbolState": "Symbol states",
    "Unusable": "Reasons",
}
"""The section of EVENTS.md that explains an enumeration's values; a test of its own holds the two together."""


@functools.cache
def load() -> griffe.Module:
    """The package as its source says."""
    loader = griffe.GriffeLoader(search_paths=[str(ROOT)], docstring_parser=griffe.Parser.google)
    module = loader.load("quotebus", submodules=False)
    assert isinstance(module, griffe.Module)
    loader.load("quotebus.bus")
    return module


def names(module: griffe.Module) -> list[str]:
    """What `__all__` holds."""
    return [str(each) for each in module.exports or []]


def find(module: griffe.Module, name: str) -> griffe.Object:
    """The class, function or value behind an exported name."""
    found = module[name]
    target = found.final_target if isinstance(found, griffe.Alias) else found
    assert isinstance(target, griffe.Object)
    return target


def public(owner: griffe.Class) -> list[griffe.Object]:
    """Public members, inherited ones too, in the order of the source."""
    members = {
        name: member.final_target if isinstance(member, griffe.Alias) else member
        for name, member in owner.all_members.items()
        if not name.startswith("_")
    }
    return [member for member in members.values() if isinstance(member, griffe.Object)]


def fields(owner: griffe.Class) -> list[griffe.Attribute]:
    """Fields of a value: declared with a type in the class, no property."""
    return [
        member
        for member in public(owner)
        if isinstance(member, griffe.Attribute) and member.annotation is not None and "property" not in member.labels
    ]


def text(of: griffe.Object) -> str:
    """A docstring as Markdown: what it says, then arguments, result and errors as a list."""
    if of.docstring is None:
        return ""
    lines: list[str] = []
    for part in of.docstring.parse(griffe.Parser.google):
        match part:
            case griffe.DocstringSectionText(value=value):
                lines += [value, ""]
            case griffe.DocstringSectionParameters(value=parameters):
                lines += [f"- `{each.name}`: {flat(each.description)}" for each in parameters]
            case griffe.DocstringSectionReturns(value=results):
                lines += [f"- Returns: {flat(each.description)}" for each in results]
            case griffe.DocstringSectionRaises(value=errors):
                lines += [f"- Raises `{each.annotation}`: {flat(each.description)}" for each in errors]
            case _:
                raise ValueError(f"{of.path}: {part.kind}")
    return "\n".join(lines).strip()


def explained(section: str) -> dict[str, str]:
    """The first table of a section of EVENTS.md: meanings by value."""
    page = (ROOT / "bus/EVENTS.md").read_text().partition(f"\n### {section}\n")[2].partition("\n##")[0]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    first = rows[: next((i for i, row in enumerate(rows) if i > 1 and row[0].startswith("---")), len(rows) + 1) - 1]
    return {row[0].strip("`"): row[-1] for row in first[2:]}


def escape(of: str) -> str:
    """A bar does not end a cell of a table."""
    return of.replace("|", "\\|")


def flat(description: str) -> str:
    return " ".join(description.split())


def cell(of: griffe.Object) -> str:
    """A docstring as one cell of a table."""
    return escape(flat(of.docstring.value)) if of.docstring else ""


def signature(of: griffe.Function) -> str:
    """As it is called: without `self`."""
    shown: list[str] = []
    starred = False
    defaults = inspect.signature(pkgutil.resolve_name(of.path)).parameters
    for each in of.parameters:
        if each.name == "self":
            continue
        if each.kind is griffe.ParameterKind.keyword_only and not starred:
            shown.append("*")
            starred = True
        default = "" if each.default is None else f" = {defaults[each.name].default!r}"
        shown.append(f"{each.name}: {each.annotation}{default}")
    result = "" if of.returns is None or of.name == "__init__" else f" -> {of.returns}"
    return f"({', '.join(shown)}){result}"


def describe(of: griffe.Object, name: str) -> list[str]:
    """One name: what it is, its members, its example."""
    lines = [f"### {name}", ""]
    if isinstance(of, griffe.Function):
        lines += [f"`{name}{signature(of)}`", ""]
    lines += [text(of), ""]
    if isinstance(of, griffe.Class):
        lines += describe_class(of, name)
    example = EXAMPLES / f"{name.strip('_')}.py"
    lines += ["```python", example.read_text().strip(), "```", ""]
    return lines


def describe_class(of: griffe.Class, name: str) -> list[str]:
    lines: list[str] = []
    values = [member for member in public(of) if isinstance(member, griffe.Attribute) and member.annotation is None]
    start = of.all_members.get("__init__")
    if isinstance(start, griffe.Alias):
        start = start.final_target
    if name in MADE_BY_CALLERS and isinstance(start, griffe.Function):
        lines += [f"`{name}{signature(start)}`", "", text(start), ""]
    if name in WORDS:
        meanings = explained(WORDS[name])
        lines += ["| value | meaning |", "|---|---|"]
        lines += [f"| `{name}.{each.name}` | {meanings[str(each.value).strip(chr(39))]} |" for each in values] + [""]
    elif name == "BusSettings":
        lines += ["| field | default | meaning |", "|---|---|---|"]
        lines += [f"| `{key}` | `{field.default}` | {field.description} |" for key, field in SETTINGS.items()] + [""]
    elif declared := fields(of):
        lines += ["| field | type | meaning |", "|---|---|---|"]
        lines += [
            f"| `{each.name}` | `{str(each.annotation).replace('|', chr(92) + '|')}` | {cell(each)} |"
            for each in declared
        ]
        lines += [""]
    members = public(of)
    if name in INHERITS:
        known = find(load(), INHERITS[name]).all_members
        members = [member for member in members if member.name not in known]
        lines += [f"Everything else is as of [{INHERITS[name]}](#{INHERITS[name].lower()}).", ""]
    for member in members:
        if isinstance(member, griffe.Function):
            asynchronous = "await " if "async" in member.labels else ""
            lines += [f"**`{asynchronous}{member.name}{signature(member)}`**", "", text(member), ""]
        elif isinstance(member, griffe.Attribute) and "property" in member.labels:
            lines += [f"**`{member.name}: {member.annotation}`** (property)", "", text(member), ""]
    return lines


def render() -> str:
    """The whole page."""
    module = load()
    lines = [HEAD]
    for title, group in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in group:
            lines += describe(find(module, name), name)
    return "\n".join(lines).strip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
