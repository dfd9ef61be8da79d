"""`quotebus completion bash|zsh`: a script that completes verbs, flags and choices of all programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from quotebus.bus.capture.record.settings import RecordSettings
from quotebus.bus.cli import broker, capture_arguments, keys, replay, up
from quotebus.bus.cli.arguments import Arguments
from quotebus.bus.cli.program import VERBS
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.process.command_line import CommandLine
from quotebus.bus.process.flags import command_line
from quotebus.bus.process.known_settings import ALL_PROGRAMS, settings_of
from quotebus.bus.serve.settings import ServeSettings
from quotebus.bus.settings import Settings
from quotebus.bus.tap.program import VERBS as TAP_VERBS
from quotebus.bus.tap.settings import (
    BandwidthSettings,
    DelaySettings,
    EchoSettings,
    InfoSettings,
    ListSettings,
    PubSettings,
    RateSettings,
    TopSettings,
    WhySettings,
)

PROGRAM = "quotebus completion"
SHELLS = ("bash", "zsh")
_OWN_PREFIXES = ("PRICING_", "EXECUTION_", "SIMULATOR_")
_ON_THE_BUS = ("pricing-node", "execution-worker")
_HELP = ("--help", "--version")
_SETTINGS: dict[str, type[Settings]] = {
    "quotebus up": up.UpSettings,
    "quotebus broker": broker.BrokerSettings,
    "quotebus keys": keys.KeysSettings,
    "quotebus serve": ServeSettings,
    "quotebus edge": EdgeSettings,
    "quotebus record": RecordSettings,
    "quotebus tap top": TopSettings,
    "quotebus tap echo": EchoSettings,
    "quotebus tap rate": RateSettings,
    "quotebus tap delay": DelaySettings,
    "quotebus tap list": ListSettings,
    "quotebus tap info": InfoSettings,
    "quotebus tap bw": BandwidthSettings,
    "quotebus tap pub": PubSettings,
    "quotebus tap why": WhySettings,
}

BASH = """\
# bash completion of quotebus: eval "$(quotebus completion bash)"
_quotebus_complete() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD - 1]}}"
    local place="${{COMP_WORDS[0]##*/}}" word words=""
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$place $word" in
            {places}) place="$place $word" ;;
        esac
    done
    case "$place $before" in
{choices}
        *' --log-level') words='debug info warning error critical' ;;
        *' --log-format') words='text json' ;;
    esac
    if [[ -z $words ]]; then
        case "$place" in
{words}
        esac
        if [[ $before == -* && $current != -* ]]; then
            words=""
        elif [[ $current != -* ]]; then
            words=" $words" words="${{words%% -*}}"
        fi
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _quotebus_complete {programs}
"""
ZSH = """\
# zsh completion of quotebus: eval "$(quotebus completion zsh)"
_quotebus_complete() {{
    local current=$words[CURRENT] before=$words[CURRENT-1] place=${{words[1]:t}} word offered=""
    for word in "${{(@)words[2,CURRENT-1]}}"; do
        case "$place $word" in
            {places}) place="$place $word" ;;
        esac
    done
    case "$place $before" in
{choices}
        *' --log-level') offered='debug info warning error critical' ;;
        *' --log-format') offered='text json' ;;
    esac
    if [[ -z $offered ]]; then
        case $place in
{words}
        esac
        if [[ $before == -* && $current != -* ]]; then
            offered=""
        elif [[ $current != -* ]]; then
            offered=" $offered" offered=${{offered%% -*}}
        fi
    fi
    if [[ -n ${{offered// /}} ]]; then compadd -- ${{=offered}}; else _files; fi
}}
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit; }}
compdef _quotebus_complete {programs}
"""


@dataclass(slots=True)
class Place:
    """What may come after a program, or a program and its verb."""

    verbs: Sequence[str] = ()
    flags: Sequence[str] = ()
    choices: dict[str, Sequence[str]] = field(default_factory=dict)


def run(argv: Sequence[str]) -> int:
    """Print the script; exit status 78 for another shell."""
    parser = Arguments(
        PROGRAM,
        "Prints a script that completes verbs and flags of all programs.",
        'examples:\n  eval "$(quotebus completion bash)"            # in ~/.bashrc\n'
        '  eval "$(quotebus completion zsh)"             # in ~/.zshrc',
        f"{PROGRAM} {'|'.join(SHELLS)}",
    )
    parser.add_argument("shell", choices=SHELLS, metavar="|".join(SHELLS), help="the shell that reads the script")
    print(script(parser.parse_args(argv).shell), end="")
    return 0


def script(shell: str) -> str:
    """The script for this shell."""
    places = find_places()
    variable = "offered" if shell == "zsh" else "words"
    return (ZSH if shell == "zsh" else BASH).format(
        places=" | ".join(f"'{place}'" for place in places if " " in place),
        words="\n".join(
            f"            '{name}') {variable}='{' '.join([*place.verbs, *place.flags])}' ;;"
            for name, place in places.items()
        ),
        choices="\n".join(
            f"        '{name} {flag}') {variable}='{' '.join(choices)}' ;;"
            for name, place in places.items()
            for flag, choices in place.choices.items()
        ),
        programs=" ".join(name for name in places if " " not in name),
    )


def find_places() -> dict[str, Place]:
    """Every program and verb, with what may come next."""
    places = {
        "quotebus": Place(tuple(VERBS), _HELP),
        "quotebus completion": Place(SHELLS, _HELP),
        "quotebus capture": Place(tuple(capture_arguments.VERBS), _HELP),
        "quotebus tap": Place(tuple(TAP_VERBS), _HELP),
        "quotebus replay": _from_parser(replay.make_parser()),
    }
    places |= {name: _from_parser(command_line(settings, name)) for name, settings in _SETTINGS.items()}
    for verb in capture_arguments.VERBS:
        places[f"quotebus capture {verb}"] = _from_parser(capture_arguments.make_parser(verb))
    places |= {
        name.replace("quotebus tap", "bus-tap"): place
        for name, place in list(places.items())
        if name.startswith("quotebus tap")
    }
    for program in ("pricing-node", "execution-worker", "exchange-simulator"):
        places[program] = Place(flags=[*_flags_of(program), *_HELP])
    places["execution-worker"].verbs = ("verify",)
    places["execution-worker"].flags = ["--intent", *places["execution-worker"].flags]
    places["execution-worker verify"] = Place(flags=_HELP)
    return places


def _flags_of(program: str) -> Iterator[str]:
    """The flags of a program that is not imported here, by the one rule: its settings without their prefix."""
    common = [name for name in settings_of(ALL_PROGRAMS) if program in _ON_THE_BUS or not name.startswith("BUS_")]
    for name in [*settings_of(program), *common]:
        prefix = next((prefix for prefix in _OWN_PREFIXES if name.startswith(prefix)), "")
        yield "--" + name.removeprefix(prefix).lower().replace("_", "-")


def _from_parser(parser: CommandLine) -> Place:
    choices: dict[str, Sequence[str]] = {
        flag: str(action.metavar).split("|")
        for action in parser.shown_actions()
        for flag in action.option_strings
        if "|" in str(action.metavar) and flag != "--log-format"
    }
    return Place(flags=[flag for flag in parser.flags() if flag.startswith("--")], choices=choices)
