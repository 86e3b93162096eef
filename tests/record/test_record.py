"""Records and the store: what is read is what was written; what is damaged, foreign or busy is one clear sentence."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.errors import Busy, DataError, StorageError
from lab.record import storage
from lab.record.keeper import Keeper
from lab.record.record import EXIT_CODES, RunRecord
from lab.record.store import RunFolder, Store

ID = "0123456789abcdef"


def a_record(**changes: Any) -> RunRecord:
    values: dict[str, Any] = {"run_id": ID, "config": {"seed": 0}, "status": "ok", "final": {"test": {"accuracy": 0.5}}}
    return RunRecord(**{**values, **changes})


def test_round_trip(tmp_path: Path) -> None:
    record = a_record(history=[{"epoch": 1, "valid": {"accuracy": 0.1 + 0.2}}])
    record.write(tmp_path / "record.json")
    assert RunRecord.read(tmp_path / "record.json") == record
    text = (tmp_path / "record.json").read_text()
    assert next(iter(json.loads(text))) == "schema" and record.exit_code == 0


def test_what_is_not_finite_becomes_null(tmp_path: Path) -> None:
    a_record(history=[{"loss": float("nan"), "blocks": (float("inf"), 1.0)}]).write(tmp_path / "r")
    assert RunRecord.read(tmp_path / "r").history == [{"loss": None, "blocks": [None, 1.0]}]


def test_exit_codes_are_as_documented() -> None:
    assert EXIT_CODES == {"ok": 0, "diverged": 65, "out_of_memory": 71, "failed": 1, "timeout": 75}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "has schema 2, this version reads 1"),
        ({"schema": None}, "is no run record"),
        ({"schema": True}, "is no run record"),
        ({"status": "great"}, "its status is 'great'"),
        ({"status": ["ok"]}, "damaged"),
        ({"history": {}}, "history is a dict"),
        ({"config": None}, "config is a NoneType"),
        ({"reason": 3}, "reason is a int"),
        ({"run_id": 5}, "run_id"),
    ],
)
def test_records_of_others_are_refused_in_one_sentence(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({**a_record().as_dict(), **change}))
    with pytest.raises(DataError) as caught:
        RunRecord.read(path)
    assert words in str(caught.value) and "move its folder away" in str(caught.value)


def test_keys_that_a_later_patch_may_add_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({**a_record().as_dict(), "more": 1}))
    assert RunRecord.read(path) == a_record()


def test_the_store_lists_runs_and_nothing_else(tmp_path: Path) -> None:
    for name in (ID, "f" * 16, "sweeps", "0123", "F" * 16):
        (tmp_path / name).mkdir()
    (tmp_path / ("a" * 16)).write_text("a file")
    assert Store(tmp_path).ids() == [ID, "f" * 16]
    assert Store(tmp_path / "none").ids() == []


@pytest.mark.parametrize("name", ["", "..", "../../etc", "/etc", ID + "\n", ID.upper(), "x" * 16, f"{ID}/.."])
def test_an_id_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no run id"):
        Store(tmp_path).run(name)


def test_folder_life(tmp_path: Path) -> None:
    folder = Store(tmp_path).run(ID)
    assert folder.record() is None
    folder.write_config(ID, {"seed": 3})
    assert folder.read_config() == (ID, {"seed": 3})
    a_record(status="failed").write(folder.record_path)
    folder.discard()  # holds a result: stays
    assert folder.record() == a_record(status="failed")
    folder.set_record_aside()
    a_record(status="timeout").write(folder.record_path)
    folder.set_record_aside()
    assert folder.record() is None
    assert RunRecord.read(folder.path / "record-2.json").status == "timeout"
    other = Store(tmp_path).run("f" * 16)
    other.write_config("f" * 16, {})
    other.discard()
    assert not other.path.exists()


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 9}', '{"schema": 1}', '{"schema": 1, "run_id": 1}'])
def test_a_config_of_another_version_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(DataError, match=r"config\.json") as caught:
        RunFolder(tmp_path).read_config()
    assert "move" in str(caught.value) and "\n" not in str(caught.value)


def test_one_holder_at_a_time_and_a_dead_one_lets_go(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / ID)
    code = (
        "import sys, time; from lab.record.store import RunFolder\n"
        "with RunFolder(sys.argv[1]).lock():\n    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder.path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert folder.busy()
        with pytest.raises(Busy, match="in use by another process"), folder.lock():
            pass
        holder.kill()
    assert not folder.busy()
    with folder.lock():
        pass
    assert (folder.path / "lock").exists()  # never removed: two processes could then hold two locks


def test_a_lock_that_no_kernel_keeps_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    monkeypatch.setattr(filelock, "FileLock", filelock.SoftFileLock)
    with pytest.raises(StorageError, match="keeps no locks"), RunFolder(tmp_path).lock():
        pass


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_checkpoints_take_a_twentieth_of_the_time() -> None:
    clock = Clock()

    def save() -> None:
        clock.now += 0.5

    keeper = Keeper(save, size=0, clock=clock)
    while clock.now < 1000:
        clock.now += 0.1
        keeper.offer()
    assert keeper.spent <= 0.05 * clock.now
    assert keeper.spent >= 0.04 * clock.now  # and it uses what it may
    assert keeper.written == round(keeper.spent / 0.5)


def test_the_first_checkpoint_waits_for_its_size() -> None:
    clock, written = Clock(), []
    keeper = Keeper(lambda: written.append(clock.now), size=100 << 20, clock=clock)  # 1.2 s by the rule of thumb
    for second in range(100):
        clock.now = float(second)
        keeper.offer()
    assert written[0] == 25


def test_errors_of_the_disk_pass_through(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(StorageError):
        RunFolder(tmp_path / "f" / ID).write_config(ID, {})
    with pytest.raises(StorageError):
        storage.remove_folder(tmp_path)
