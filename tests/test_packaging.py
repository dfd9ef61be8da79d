"""What a wheel puts where, and that no module of ours can be imported under two names."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import quotebus

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bus", "pricing", "execution_adapter")
OWN = ("quotebus/__init__.py", "quotebus/__main__.py", "quotebus/alpaca.py")
"""Files that lie in quotebus/ itself, where everything else is a link."""
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    return next(folder.glob("*.whl"))


def run(code: str, cwd: Path, *path: Path) -> str:
    """Python in a process of its own, with these folders before everything that is installed."""
    environment = {"PYTHONPATH": ":".join(map(str, path)), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def test_the_wheel_holds_quotebus_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"quotebus", f"quotebus-{quotebus.__version__}.dist-info"}


def test_the_wheel_holds_every_module_of_the_folders(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    there = {str(file.relative_to(ROOT)) for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert packed == {f"quotebus/{name}" for name in there} | set(OWN)
    assert "quotebus/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_packages_of_the_same_names_stay_their_owners(wheel: Path, tmp_path: Path) -> None:
    installed, own = tmp_path / "installed", tmp_path / "own"
    zipfile.ZipFile(wheel).extractall(installed)
    for package in PACKAGES:
        (own / package).mkdir(parents=True)
        (own / package / "__init__.py").write_text("whose = 'theirs'\n")
    code = (
        "import bus, pricing, execution_adapter, quotebus, quotebus.pricing.node, quotebus.execution_adapter.program\n"
        "from quotebus import BusClient, AsyncBusClient, Quote\n"
        "print(bus.whose, pricing.whose, execution_adapter.whose, quotebus.__file__)"
    )
    for path in ((installed, own), (own, installed)):
        assert run(code, tmp_path, *path).split() == ["theirs"] * 3 + [str(installed / "quotebus/__init__.py")]


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("statement", ["import {}", "import quotebus.{0}, {0}", "from {} import settings"])
def test_a_short_name_is_refused_with_the_line_to_write_instead(package: str, statement: str) -> None:
    last = run(statement.format(package), ROOT).splitlines()[-1]
    assert last == f"ImportError: import quotebus.{package}, not {package}: a module under two names is two modules"


def test_the_clone_is_imported_from_its_own_folder() -> None:
    found = Path(run("import quotebus; print(quotebus.__file__)", ROOT).strip())
    assert found.resolve() == ROOT / "quotebus/__init__.py"


@pytest.mark.parametrize(
    "words",
    ["quotebus", "bus-tap", "pricing-node", "execution-worker", "exchange-simulator", "quotebus up", "quotebus broker",
     "quotebus record", "quotebus capture", "quotebus capture cat", "quotebus capture report", "quotebus replay",
     "quotebus tap", "quotebus tap top", "quotebus completion", "execution-worker verify"],
)  # fmt: skip
def test_programs_and_verbs_tell_their_version(words: str) -> None:
    program, *verbs = words.split()
    line = [str(Path(sys.executable).with_name(program)), *verbs, "--version"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    name = words.replace("bus-tap", "quotebus tap")
    assert done.stdout == f"{name} {quotebus.__version__}\n"


def test_the_drop_in_says_what_it_needs(wheel: Path, tmp_path: Path) -> None:
    installed, without = tmp_path / "installed", tmp_path / "without"
    zipfile.ZipFile(wheel).extractall(installed)
    without.mkdir()
    (without / "alpaca.py").write_text("raise ModuleNotFoundError('no alpaca-py here')\n")
    last = run("import quotebus.alpaca", tmp_path, without, installed).splitlines()[-1]
    assert last == "ImportError: quotebus.alpaca needs alpaca-py, for its models: pip install 'quotebus[alpaca]'"


def test_every_place_that_lists_the_packages_lists_all_of_them() -> None:
    targets = SETTINGS["tool"]["hatch"]["build"]["targets"]
    assert set(PACKAGES) < set(targets["wheel"]["only-include"])
    assert set(PACKAGES) < set(targets["sdist"]["only-include"])
    assert {str(file.relative_to(ROOT)) for file in (ROOT / "quotebus").glob("*.py")} == set(OWN)
    assert set(OWN) < set(targets["wheel"]["only-include"]) & set(targets["sdist"]["only-include"])
    assert targets["wheel"]["sources"] == {package: f"quotebus/{package}" for package in PACKAGES}
    assert set(SETTINGS["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]) == set(PACKAGES)


def test_all_is_what_the_package_offers() -> None:
    assert sorted(quotebus.__all__) == quotebus.__all__
    assert all(hasattr(quotebus, each) for each in quotebus.__all__)
