"""What the coordinator does with answers, failures and lost workers: every finished cell stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gaprune_viz.calibration.progress import drain, iterate
from gaprune_viz.errors import GapruneError
from gaprune_viz.experiments.executors import coordinator, from_address, worker
from gaprune_viz.experiments.executors.coordinator import ran
from gaprune_viz.experiments.executors.from_address import Team
from gaprune_viz.experiments.executors.protocol import Verdict
from gaprune_viz.experiments.executors.tasks import Failure, Seen, Sight, refuse_failed
from tests.benches import SmallBench, kept, source, task


class Threads:
    """Workers that are threads of this process; after so many calls they are gone for good."""

    label = "threads"

    def __init__(self, last: int = 10_000) -> None:
        self.executor, self.left = ThreadPoolExecutor(2), last

    def room(self) -> int:
        return 2

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        self.left -= 1
        if self.left < 0:
            future: Future[Any] = Future()
            future.set_exception(ConnectionError("nobody there"))
            return future
        return self.executor.submit(function, *arguments)

    def look(self, sight: Sight) -> list[Seen]:
        return [worker.look(sight)]

    def verdict(self, error: BaseException) -> Verdict:
        return Verdict(str(error))

    def mend(self) -> None:
        if self.left < 0:
            raise GapruneError("The workers are gone.", "Start them.")

    def close(self) -> None:
        self.executor.shutdown()


class Watched(Threads):
    """Two of them, each of which does one call at a time; every call is written down beside what is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.flying: dict[Future[Any], str] = {}
        self.calls: list[tuple[str, set[str]]] = []

    def room(self) -> int:
        self.flying = {future: name for future, name in self.flying.items() if not future.done()}
        return 2 - len(self.flying)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        name = arguments[-1].name
        self.calls.append((name, set(self.flying.values())))
        future = super().submit(function, *arguments)
        self.flying[future] = name
        return future


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "AGAIN_SECONDS", (0.0, 0.05))
    monkeypatch.setattr(coordinator, "POLL_SECONDS", 0.02)


@contextmanager
def team(folder: Path, pool: Threads | None = None) -> Iterator[Team]:
    pool = pool or Threads()
    with from_address._marked((folder,), None) as sight:
        from_address._check(pool, sight)
        yield Team(pool, sight)
    pool.close()
    assert not list(folder.glob(".executor-*"))


def run(folder: Path, *tasks: Any, pool: Threads | None = None) -> dict[str, Failure]:
    with team(folder, pool) as workers:
        return drain(ran(workers, source(folder), SmallBench(str(folder)), tasks))


def test_a_cell_that_needs_another_finds_it(tmp_path: Path) -> None:
    cells = [task("b", ("a",), reads="a"), task("c", ("a",)), task("a"), task("d", ("there",))]
    assert run(tmp_path, *cells) == {}
    store = SmallBench(str(tmp_path)).store
    assert kept(tmp_path) == {name: name for name in "abcd"}
    assert (store.read("b") or {})["read"]["value"] == "a"


@pytest.mark.parametrize(("first", "slow"), [("ab", "b"), ("ab", "a"), ("ba", "b")])
def test_a_cell_that_needs_two_waits_for_both(tmp_path: Path, first: str, slow: str) -> None:
    both = [task(name, seconds=0.2 if name == slow else 0.0) for name in first]
    assert run(tmp_path, task("c", ("a", "b", "there"), reads=slow), task("d", ("c", "a")), *both) == {}
    assert kept(tmp_path) == {name: name for name in "abcd"}
    store = SmallBench(str(tmp_path)).store
    assert (store.read("c") or {})["read"]["value"] == slow
    assert all(SmallBench(str(tmp_path)).begun(name) == 1 for name in "abcd")


def test_what_is_on_disk_is_not_done_again_and_one_name_is_done_once(tmp_path: Path) -> None:
    bench = SmallBench(str(tmp_path))
    bench.keep({"cell": "a"}, {"value": "as it was"})
    assert run(tmp_path, task("a"), task("b"), task("b")) == {}
    assert kept(tmp_path) == {"a": "as it was", "b": "b"}
    assert (bench.begun("a"), bench.begun("b")) == (0, 1)


def test_what_shares_a_mask_is_done_by_one_worker_after_the_other(tmp_path: Path) -> None:
    """The letter is what they share; `x` shares nothing."""
    names = ["x1", *(f"{letter}{number}" for letter in "abc" for number in range(4))]
    cells = [task(name, together=name[0].replace("x", ""), seconds=0.01) for name in names]
    pool = Watched()
    assert run(tmp_path, *cells, pool=pool) == {}
    assert kept(tmp_path).keys() == set(names)
    for place, (name, beside) in enumerate(pool.calls):
        if any(name[0] == other[0] for other in beside):
            assert {later[0] for later, _ in pool.calls[place:]} == {name[0]}


@pytest.mark.parametrize("how", ["fails", "breaks"])
def test_a_cell_has_three_tries(tmp_path: Path, how: str) -> None:
    failed = run(tmp_path, task("twice", **{how: 2}), task("always", **{how: 99}), task("fine"))
    assert kept(tmp_path) == {"twice": "twice", "fine": "fine"}
    assert [SmallBench(str(tmp_path)).begun(name) for name in ("twice", "always", "fine")] == [3, 3, 1]
    words = {"fails": "It did not work. Do something.", "breaks": "ZeroDivisionError: unforeseen"}
    assert failed == {"always": Failure("cell always", f"{words[how]} (tried 3 times)")}


def test_what_needs_a_failed_cell_is_given_up_with_it(tmp_path: Path) -> None:
    failed = run(tmp_path, task("a", fails=99), task("b", ("a",)), task("c", ("b",)), task("d"))
    assert failed.keys() == {"a", "b", "c"} and kept(tmp_path) == {"d": "d"}
    assert {failure.error for failure in failed.values()} == {"It did not work. Do something. (tried 3 times)"}
    with pytest.raises(GapruneError, match="3 cells of 4 could not be measured; cell a: It did not work"):
        refuse_failed(failed, 4)
    refuse_failed({}, 4)


@pytest.mark.parametrize("other", [{}, {"seconds": 0.3}, {"fails": 99}])
def test_a_cell_of_whose_two_needs_one_fails_is_given_up_once(tmp_path: Path, other: dict[str, Any]) -> None:
    cells = [task("a", fails=99), task("b", **other), task("c", ("a", "b")), task("d", ("c", "b")), task("e", ("b",))]
    with team(tmp_path) as workers:
        steps = list(iterate(ran(workers, source(tmp_path), SmallBench(str(tmp_path)), cells), box := []))
    lost = {"a", "c", "d"} | ({"b", "e"} if "fails" in other else set())
    assert box[0].keys() == lost and kept(tmp_path).keys() == set("abcde") - lost
    assert not any(SmallBench(str(tmp_path)).begun(name) for name in "cd")
    assert steps[-1].done == steps[-1].total == 5


def test_a_finished_cell_outlives_a_disk_that_is_away(tmp_path: Path) -> None:
    bench = SmallBench(str(tmp_path))
    (tmp_path / "away").touch()
    with team(tmp_path) as workers:
        for step in ran(workers, source(tmp_path), bench, [task("a"), task("b")]):
            if step.seconds > 0.3:
                (tmp_path / "away").unlink(missing_ok=True)
    assert kept(tmp_path) == {"a": "a", "b": "b"} and bench.begun("a") == bench.begun("b") == 1


def test_a_disk_that_stays_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator, "KEEP_SECONDS", 0.1)
    (tmp_path / "away").touch()
    with pytest.raises(GapruneError, match="The disk is away"):
        run(tmp_path, task("a"))


def test_workers_that_read_something_else_are_not_asked_again(tmp_path: Path) -> None:
    with team(tmp_path) as workers:
        failed = drain(ran(workers, source(tmp_path, "other"), SmallBench(str(tmp_path)), [task("a")]))
    assert "reads other weights, texts or settings" in failed["a"].error and "tried" not in failed["a"].error
    assert kept(tmp_path) == {}


def test_workers_that_are_gone_for_good_leave_what_is_finished(tmp_path: Path) -> None:
    failed = run(tmp_path, *map(task, "abcdef"), pool=Threads(last=3))
    # Those that were under way then may have come to their end or not.
    assert 1 <= len(kept(tmp_path)) <= 3 and kept(tmp_path).keys() | failed.keys() == set("abcdef")
    assert {failure.error for failure in failed.values()} == {"The workers are gone. Start them."}
    assert run(tmp_path, *map(task, "abcdef")) == {} and kept(tmp_path).keys() == set("abcdef")


def test_what_needs_a_cell_that_nobody_told_of_is_given_up_with_the_workers(tmp_path: Path) -> None:
    class Silent(Threads):
        """Its one call is done, and its answer lost."""

        def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
            if self.left == 1:
                self.executor.submit(function, *arguments).result()
                self.left = 0
            return super().submit(function, *arguments)

    failed = run(tmp_path, task("a"), task("b", ("a",)), pool=Silent(last=1))
    assert kept(tmp_path).keys() == {"a"} and failed.keys() == {"b"}


def test_a_worker_that_does_not_see_the_folder_or_runs_something_else_is_refused(tmp_path: Path) -> None:
    class Elsewhere(Threads):
        def look(self, sight: Sight) -> list[Seen]:
            return [worker.look(Sight((str(tmp_path / "not-there"),)))]

    class Older(Threads):
        def look(self, sight: Sight) -> list[Seen]:
            seen = worker.look(sight)
            return [seen, Seen("far", os.getpid(), {**seen.versions, "torch": "1.0"}, None)]

    with pytest.raises(GapruneError, match=r"does not see .*not-there"), team(tmp_path, Elsewhere()):
        pass
    with pytest.raises(GapruneError, match=r"The worker on far has torch 1\.0, not "), team(tmp_path, Older()):
        pass


def test_what_only_waited_at_a_worker_that_ended_is_not_given_up(tmp_path: Path) -> None:
    """An executor that ends all it has under way together with the one that ends workers, as Dask may."""

    class Accusing(Threads):
        def __init__(self) -> None:
            super().__init__()
            self.beside: list[set[str]] = []
            self.flying: dict[Future[Any], str] = {}

        def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
            self.flying = {future: name for future, name in self.flying.items() if not future.done()}
            future: Future[Any] = Future()
            self.flying[future] = name = arguments[-1].name
            self.beside.append(set(self.flying.values()))
            if name == "bad":
                for other in self.flying:
                    other.set_exception(ChildProcessError("ended"))
            elif len(self.flying) > 1 or "bad" in set().union(*self.beside):
                self.flying.pop(future)
                return self.executor.submit(function, *arguments)
            return future

        def verdict(self, error: BaseException) -> Verdict:
            return Verdict(str(error), accused=isinstance(error, ChildProcessError))

    pool = Accusing()
    failed = run(tmp_path, task("first"), task("bad"), *(task(str(n)) for n in range(4)), pool=pool)
    assert failed == {"bad": Failure("cell bad", "ended")}
    assert kept(tmp_path).keys() == {"first", *map(str, range(4))}
    assert pool.beside[0] == {"first"} and pool.beside[1] == {"first", "bad"}
    # Each of the two once more, with nothing beside it.
    assert sorted(pool.beside[2:4], key=min) == [{"bad"}, {"first"}]


def test_progress_counts_cells_and_failures(tmp_path: Path) -> None:
    with team(tmp_path) as workers:
        steps = list(ran(workers, source(tmp_path), SmallBench(str(tmp_path)), [task("a"), task("b", fails=9)]))
    assert steps[0].stage == "Starting the workers (0 of 2; threads)"
    assert steps[-1].stage == "cell a (1 of 2, 1 failed; threads)"
    assert [step.done for step in steps] == sorted(step.done for step in steps) and steps[-1].done == steps[-1].total
