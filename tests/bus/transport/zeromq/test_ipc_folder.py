"""A folder that is this user's alone, or one line that says why not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quotebus.bus.address import IpcAddress
from quotebus.bus.errors import ConfigError
from quotebus.bus.transport.zeromq import ipc_folder as module
from quotebus.bus.transport.zeromq.ipc_folder import list_folders, open_folders

OTHER_UID = 54_321


@pytest.fixture
def address(short_folder: Path) -> IpcAddress:
    return IpcAddress("desk", str(short_folder))


def refused(address: IpcAddress) -> str:
    with pytest.raises(ConfigError) as error:
        open_folders(address)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_it_is_made_for_this_user_alone_and_found_again(address: IpcAddress) -> None:
    (folder,) = open_folders(address)
    assert folder == Path(address.runtime_dir) / "desk"
    assert (folder.stat().st_uid, folder.stat().st_mode & 0o7777) == (os.geteuid(), 0o700)
    assert open_folders(address) == (folder,)


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o770, 0o1777])
def test_a_mode_that_lets_others_in_is_refused(address: IpcAddress, mode: int) -> None:
    (folder,) = open_folders(address)
    folder.chmod(mode)
    assert f"mode {mode:04o}" in refused(address)


def test_a_link_and_a_file_are_refused(address: IpcAddress) -> None:
    elsewhere = Path(address.runtime_dir) / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    place = Path(address.runtime_dir) / "desk"
    place.symlink_to(elsewhere)
    assert "symbolic link" in refused(address)
    place.unlink()
    place.write_text("")
    assert "not a folder" in refused(address)


def test_a_folder_that_others_can_replace_is_refused(address: IpcAddress) -> None:
    os.chmod(address.runtime_dir, 0o777)
    assert "others could replace" in refused(address)
    os.chmod(address.runtime_dir, 0o1777)
    assert open_folders(address), "in a sticky one nobody else can"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_another_users_folder_is_refused_also_by_root(address: IpcAddress) -> None:
    (folder,) = open_folders(address)
    os.chown(folder, OTHER_UID, OTHER_UID)
    assert f"belongs to user {OTHER_UID}" in refused(address)
    os.chown(folder, 0, 0)
    os.chown(address.runtime_dir, OTHER_UID, OTHER_UID)
    assert "who could replace" in refused(address)


def test_a_path_that_no_socket_can_have_is_refused(short_folder: Path) -> None:
    longest = 107 - len("/desk/subscribe")
    fits = IpcAddress("desk", str(short_folder / ("x" * (longest - len(str(short_folder)) - 1))))
    assert open_folders(fits)
    assert "107 bytes and would have 108" in refused(IpcAddress("desk", fits.runtime_dir + "x"))


def test_a_folder_that_cannot_be_made_is_said(short_folder: Path) -> None:
    assert "No such file" in refused(IpcAddress("desk", str(short_folder / "no" / "such")))


def test_the_session_comes_first_and_the_temporary_folder_second(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = str(os.geteuid())
    monkeypatch.setattr(module, "_RUN_USER", short_folder / "user")
    monkeypatch.setattr(module, "_TEMPORARY", short_folder / "tmp")
    private = short_folder / "tmp" / f"quotebus-{uid}" / "desk"
    (short_folder / "tmp").mkdir()
    assert list_folders(IpcAddress("desk")) == (private,)
    (short_folder / "user" / uid).mkdir(parents=True)
    session = short_folder / "user" / uid / "desk"
    assert open_folders(IpcAddress("desk")) == (session, private)
    private.chmod(0o755)
    assert open_folders(IpcAddress("desk")) == (session,), "the second is left out"
    session.chmod(0o755)
    assert str(session) in refused(IpcAddress("desk"))
