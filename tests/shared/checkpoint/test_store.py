"""Whatever happens to the files, the newest sound checkpoint is found, and a bad one is named."""

import json
import os
import pickle
import resource
import shutil
import subprocess
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.checkpoint import CheckpointError, CheckpointStore, CheckpointWarning


def state_of(step: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(step)
    return {"step": step, "weights": torch.randn(200, 50, generator=generator), "names": ["a", None, 0.5]}


def same(state: dict[str, Any] | None, step: int) -> bool:
    expected = state_of(step)
    return (
        state is not None
        and state["step"] == step
        and torch.equal(state["weights"], expected["weights"])
        and state["names"] == expected["names"]
    )


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """Holds steps 10 and 20."""
    made = CheckpointStore(tmp_path / "checkpoints")
    made.save(state_of(10), 10)
    made.save(state_of(20), 20)
    return made


def test_what_is_saved_is_loaded(store: CheckpointStore) -> None:
    assert same(store.newest(), 20)
    assert same(store.load(10), 10)
    assert store.steps() == [10, 20]


def test_an_empty_folder_has_no_newest(tmp_path: Path) -> None:
    assert CheckpointStore(tmp_path / "nowhere").newest() is None


def test_torch_alone_can_read_a_checkpoint(store: CheckpointStore) -> None:
    assert same(torch.load(store.folder / "step-00000020" / "state.pt", weights_only=True), 20)


def damage_truncate(folder: Path) -> None:
    file = folder / "state.pt"
    os.truncate(file, file.stat().st_size // 2)


def damage_empty(folder: Path) -> None:
    os.truncate(folder / "state.pt", 0)


def damage_flip_one_bit(folder: Path) -> None:
    data = bytearray((folder / "state.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "state.pt").write_bytes(data)


def damage_append(folder: Path) -> None:
    with (folder / "state.pt").open("ab") as file:
        file.write(b"x")


def damage_remove(folder: Path) -> None:
    (folder / "state.pt").unlink()


def damage_swap(folder: Path) -> None:
    """A sound file, but of another step."""
    shutil.copy(folder.parent / "step-00000010" / "state.pt", folder / "state.pt")


def damage_manifest(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 20)


def damage_remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def damage_checksum(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["state.pt"]["sha256"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (damage_truncate, r"state\.pt has \d+ bytes instead of \d+"),
    (damage_empty, r"state\.pt has 0 bytes instead of \d+"),
    (damage_flip_one_bit, r"state\.pt has another SHA-256 than when it was written"),
    (damage_append, r"state\.pt has \d+ bytes instead of \d+"),
    (damage_remove, r"state\.pt is missing"),
    (damage_swap, r"state\.pt has another SHA-256|state\.pt has \d+ bytes"),
    (damage_manifest, r"manifest\.json is damaged"),
    (damage_remove_manifest, r"manifest\.json cannot be read \(No such file or directory\)"),
    (damage_checksum, r"state\.pt has another SHA-256 than when it was written"),
]


@pytest.mark.parametrize(("damage", "reason"), DAMAGES, ids=[damage.__name__ for damage, _ in DAMAGES])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(
    store: CheckpointStore, damage: Callable[[Path], None], reason: str
) -> None:
    damage(store.folder / "step-00000020")
    with pytest.warns(
        CheckpointWarning, match=rf"passing over a damaged checkpoint, .*step-00000020: .*{reason}"
    ):
        assert same(store.newest(), 10)
    with pytest.raises(CheckpointError, match=rf"the checkpoint of step 20 is damaged: .*{reason}"):
        store.load(20)


def test_a_checkpoint_cut_at_any_length_is_never_used(store: CheckpointStore) -> None:
    file = store.folder / "step-00000020" / "state.pt"
    whole = file.read_bytes()
    for length in [*range(0, len(whole), 997), len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.warns(CheckpointWarning):
            assert same(store.newest(), 10)
    file.write_bytes(whole)
    assert same(store.newest(), 20)


def test_if_all_are_damaged_a_person_has_to_decide(store: CheckpointStore) -> None:
    for folder in store.folder.iterdir():
        damage_truncate(folder)
    with (
        pytest.warns(CheckpointWarning),
        pytest.raises(
            CheckpointError, match=r"every checkpoint .*step-00000020.*step-00000010.* delete the folder"
        ),
    ):
        store.newest()


def test_a_missing_step_lists_those_that_are_there(store: CheckpointStore) -> None:
    with pytest.raises(CheckpointError, match="has no checkpoint of step 30: there are 10, 20"):
        store.load(30)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


def test_a_file_that_would_run_code_is_passed_over_and_does_not_run(
    store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with a manifest that fits."""
    monkeypatch.chdir(tmp_path)
    folder = store.folder / "step-00000020"
    torch.save({"bomb": Bomb()}, folder / "state.pt", pickle_module=pickle)
    from shared.checkpoint.manifest import write_manifest

    (folder / "manifest.json").unlink()
    write_manifest(folder, {"step": 20, "best_step": None})
    with pytest.warns(CheckpointWarning, match=r"step-00000020"):
        assert same(store.newest(), 10)
    assert not (tmp_path / "exploded").exists()


def test_a_state_that_could_not_be_read_again_is_refused_when_it_is_written(store: CheckpointStore) -> None:
    with pytest.raises(
        CheckpointError, match=r"step-00000030: pathlib.PosixPath is none of the tensors, .*newest of step 20"
    ):
        store.save({"bomb": Path("x")}, 30)
    assert store.steps() == [10, 20]
    assert same(store.newest(), 20)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_are_kept(tmp_path: Path, keep: int) -> None:
    store = CheckpointStore(tmp_path, keep=keep)
    for step in (1, 2, 3, 4, 5):
        store.save(state_of(step), step)
        assert store.steps() == [1, 2, 3, 4, 5][max(0, step - keep) : step]


def test_the_best_of_each_kept_one_is_kept(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    seen = []
    for step, best in [(1, 1), (2, 1), (3, 1), (4, 4), (5, 4), (6, 4)]:
        store.save(state_of(step), step, best_step=best)
        seen.append(store.steps())
    # Step 1 stays until no kept checkpoint speaks of it: if 4 turned out damaged, 3 would need it.
    assert seen == [[1], [1, 2], [1, 2, 3], [1, 3, 4], [4, 5], [4, 5, 6]]


def test_keeping_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1 checkpoint, but keep is 0"):
        CheckpointStore(tmp_path, keep=0)


def test_saving_a_step_again_replaces_it(store: CheckpointStore) -> None:
    damage_truncate(store.folder / "step-00000020")
    store.save(state_of(20), 20)
    assert same(store.newest(), 20)
    assert sorted(path.name for path in store.folder.iterdir()) == ["step-00000010", "step-00000020"]


def test_other_things_in_the_folder_are_left_alone(store: CheckpointStore) -> None:
    (store.folder / "notes.txt").write_text("mine")
    (store.folder / "step-by-step").mkdir()
    store.save(state_of(30), 30)
    assert store.steps() == [20, 30]
    assert (store.folder / "notes.txt").read_text() == "mine"
    assert (store.folder / "step-by-step").is_dir()


OPERATIONS = {
    "fsync": (os, "fsync"),
    "rename": (Path, "rename"),
    "mkdir": (Path, "mkdir"),
    "rmtree": (shutil, "rmtree"),
    "write_text": (Path, "write_text"),
    "save": (torch, "save"),
    "load": (torch, "load"),
}


def child(work: Callable[[], None]) -> int:
    """Run in a forked process; its exit status."""
    process = os.fork()
    if process == 0:
        status = 70
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@contextmanager
def dying_at(moment: int) -> Iterator[None]:
    """The process ends, without any clean-up, just before or after its n-th dealing with the disk."""
    count = 0

    def watched(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == moment:
                os._exit(9)
            result = operation(*args, **options)
            count += 1
            if count == moment:
                os._exit(9)
            return result

        return call

    for holder, name in OPERATIONS.values():
        setattr(holder, name, watched(getattr(holder, name)))
    yield


@pytest.mark.parametrize("again", [False, True], ids=["a new step", "a step that was there"])
@pytest.mark.parametrize("keep", [1, 2])
def test_dying_at_any_moment_of_a_save_leaves_the_old_or_the_new(
    tmp_path: Path, keep: int, again: bool
) -> None:
    old, new = 20, 20 if again else 30
    moments = 0
    for moment in range(1, 200):
        store = CheckpointStore(tmp_path / str(moment), keep=keep)
        store.save(state_of(10), 10)
        store.save(state_of(old), old)

        def save(store: CheckpointStore = store, moment: int = moment) -> None:
            with dying_at(moment):
                store.save(state_of(new), new)

        status = child(save)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing is damaged, so nothing is passed over
            newest = store.newest()
        assert same(newest, old) or same(newest, new)
        if status == 0:
            assert same(newest, new)
            break
        moments += 1
        store.save(state_of(40), 40)  # and the next save finds its way, and clears up
        left = sorted(path.name.removesuffix(".replaced") for path in store.folder.iterdir())
        assert newest is not None
        assert left == [f"step-{newest['step']:08d}", "step-00000040"][-keep:]
    else:
        pytest.fail("the save never came to its end")
    assert moments > 15


# ---- the disk is full


def test_a_full_disk_loses_nothing_and_says_so(store: CheckpointStore) -> None:
    """A limit on the size of files makes writes fail half-way, as a full disk does."""

    def save_too_much() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
        with pytest.raises(
            CheckpointError, match=r"cannot write .*: free some space; .* the newest of step 20"
        ):
            store.save(state_of(30), 30)

    assert child(save_too_much) == 0
    assert sorted(path.name for path in store.folder.iterdir()) == ["step-00000010", "step-00000020"]
    assert same(store.newest(), 20)
    store.save(state_of(30), 30)
    assert same(store.newest(), 30)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_is_really_full_loses_nothing(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", tmp_path], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        store = CheckpointStore(tmp_path / "checkpoints", keep=1)
        store.save(state_of(10), 10)  # 40 kB: one fits, two fit, three do not
        store.save(state_of(20), 20)
        (tmp_path / "ballast").write_bytes(bytes(50_000))
        for _ in range(3):
            with pytest.raises(CheckpointError, match=r"No space left on device: free some space"):
                store.save(state_of(30), 30)
            assert same(store.newest(), 20)
        (tmp_path / "ballast").unlink()
        store.save(state_of(30), 30)
        assert same(store.newest(), 30)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
