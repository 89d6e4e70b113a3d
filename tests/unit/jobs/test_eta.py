"""What a job says it still takes is near the truth: phases of different cost, long steps, neighbours that come."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaprune_viz.calibration.progress import Phases, Progress, drain, iterate
from gaprune_viz.jobs.eta import Eta

FACTOR, AFTER = 1.5, 5.0


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Work:
    """A job that is simulated.

    Attributes:
        steps: of each phase; units: of expected cost, of one step; seconds: that a step really takes alone.
        changed: after how much of the job a neighbour starts or stops; slower: how many times longer steps take then.
    """

    steps: tuple[int, ...]
    units: tuple[int, ...]
    seconds: float
    noise: tuple[float, ...]
    changed: float
    slower: float


def run(work: Work) -> Iterator[tuple[float, float, float]]:
    """Seconds since the beginning or the last change, what is said, and the truth if nothing changes any more."""
    clock = Clock()
    eta = Eta(clock)
    total = sum(n * unit for n, unit in zip(work.steps, work.units, strict=True))
    done, began, changed, number = 0, clock.now, None, 0
    eta.told(Progress("work", 0, total, 0.0))
    for phase, (count, unit) in enumerate(zip(work.steps, work.units, strict=True)):
        for _ in range(count):
            slow = work.slower if done >= work.changed * total else 1.0
            if slow != 1.0 and changed is None:
                changed = clock.now
            clock.now += work.seconds * unit * slow * work.noise[number % len(work.noise)]
            number, done = number + 1, done + unit
            said = eta.told(Progress(f"phase {phase}", done, total, 0.0))
            if said is not None:
                now = slow if changed is not None or done < work.changed * total else None
                if now is not None:
                    since = clock.now - (began if changed is None else changed)
                    yield since, said, work.seconds * now * (total - done)


works = st.builds(
    Work,
    steps=st.tuples(*[st.integers(10, 200)] * 3),
    units=st.tuples(*[st.integers(1, 20)] * 3),
    seconds=st.floats(0.002, 0.05),
    noise=st.lists(st.floats(0.85, 1.15), min_size=7, max_size=7).map(tuple),
    changed=st.floats(0.1, 0.9),
    slower=st.sampled_from([0.5, 0.6, 1.0, 1.7, 2.0]),
)


@settings(deadline=None, max_examples=60)
@given(works)
def test_within_a_factor_of_the_truth_five_seconds_after_every_change(work: Work) -> None:
    # Where steps are long, some of them must have come too.
    settled = max(AFTER, 6 * work.seconds * max(work.units) * max(1.0, work.slower))
    for since, said, truth in run(work):
        if since >= settled:
            assert truth / FACTOR - 0.1 <= said <= truth * FACTOR + 0.1, since


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(3, 30), st.floats(0.3, 8))
def test_what_was_there_already_says_nothing_of_the_pace(there: int, missing: int, seconds: float) -> None:
    clock = Clock()
    eta, total = Eta(clock), there + missing
    eta.told(Progress("cells", 0, total, 0.0))
    for done in range(1, there + 1):
        clock.now += 0.002
        eta.told(Progress("cells", done, total, 0.0))
    for done in range(there + 1, total + 1):
        clock.now += seconds
        said = eta.told(Progress("cells", done, total, 0.0))
        assert said == pytest.approx(seconds * (total - done), rel=0.05, abs=0.05)


def test_between_two_news_the_rest_grows_less_and_a_stall_makes_it_longer() -> None:
    clock = Clock()
    eta = Eta(clock)
    assert eta.told(Progress("cells", 0, 10, 0.0)) is None
    for done in (1, 2, 3, 4):
        clock.now += 4.0
        said = eta.told(Progress("cells", done, 10, 0.0))
    assert said == pytest.approx(24)
    clock.now += 3.0
    assert eta.left() == pytest.approx(21)
    # Twice and thrice as long as a step takes: something holds it up, and it will hold up the others.
    clock.now += 5.0
    first = eta.left() or 0.0
    clock.now += 4.0
    assert 20 < first < (eta.left() or 0.0) < 40


def test_a_short_step_does_not_make_the_next_one_seem_slow() -> None:
    clock = Clock()
    eta = Eta(clock)
    eta.told(Progress("batches", 0, 24_000, 0.0))
    done = 0
    for units in (4_000, 4_000, 4_000, 160):
        clock.now += units / 4_000
        done += units
        eta.told(Progress("batches", done, 24_000, 0.0))
    clock.now += 0.9
    assert eta.left() == pytest.approx((24_000 - done) / 4_000 - 0.9, abs=0.05)


def test_stages_of_unknown_length_and_other_units_do_not_mislead() -> None:
    clock = Clock()
    eta = Eta(clock)
    assert eta.told(Progress("Loading", 0, 1, 0.0)) is None
    clock.now += 60
    eta.told(Progress("first", 0, 100, 0.0))
    clock.now += 1
    assert eta.told(Progress("first", 10, 100, 0.0)) == pytest.approx(9)
    # Less done than before: another stage counts something else.
    assert eta.told(Progress("second", 0, 7, 0.0)) is None
    clock.now += 2
    assert eta.told(Progress("second", 1, 7, 0.0)) == pytest.approx(12)


def test_pieces_of_work_are_told_as_one() -> None:
    def piece(count: int) -> Generator[Progress, None, int]:
        yield Progress("begins", 0, 0, 0.0)
        for done in range(count + 1):
            yield Progress("goes on", done, count, 0.0)
        return count

    job = Phases({"short": 100, "long": 300})
    news: list[Progress] = []
    box: list[int] = []
    news += iterate(job.of("short", piece(4)), box)
    news += iterate(job.of("long", piece(3)), box)
    assert box == [4, 3]
    assert {step.total for step in news} == {400}
    assert [step.done for step in news] == [0, 0, 25, 50, 75, 100, 100, 100, 200, 300, 400]
    assert drain(job.of("short", piece(2))) == 2
