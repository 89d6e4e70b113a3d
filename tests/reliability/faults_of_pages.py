"""Faults of the page and of the process that computes for it."""

from __future__ import annotations

import os
import re
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from tests.app.served import Caller, wait_for
from tests.reliability.ground import Ground
from tests.reliability.load import Served
from tests.system import address_space, alive, began, family, parent, processor_seconds

# Long enough that a process can be found while it computes.
SAMPLES = 256
# Processor seconds after which something is surely under way.
WORKED = 0.1
TIDY_SECONDS = 2.0


def asked(app: Served, ground: Ground, **changed: object) -> Callable[[], str]:
    """Press Run in a page of its own; a function that waits for what it showed at the end."""
    seen: list[str] = []

    def press() -> None:
        caller = Caller(app.address, f"chaos-{os.urandom(8).hex()}")
        event = caller.event("gv-run", "click")
        usual = {"gv_model": str(ground.model), "gv_domain": "finance", "gv_sampling": "random"}
        # A page that was killed shows nothing.
        with suppress(httpx.HTTPError):
            seen.append(caller.call(event, caller.values(event, **usual, **changed))["seen"])

    thread = threading.Thread(target=press, daemon=True)
    thread.start()

    def shown() -> str:
        thread.join(120)
        return seen[0] if seen else ""

    return shown


def computing(app: Served) -> int | None:
    """The process that computes for a page: the last that the one that waits for requests has forked."""
    below = family(app.process.pid)[1:]
    return max((pid for pid in below if parent(pid) in below), key=began, default=None)


def in_calibration(app: Served, ground: Ground) -> int:
    """Wait until the run of a page has begun to write; the process that computes it."""
    wait_for(lambda: bool(ground.leftovers()) and computing(app) is not None, 60)
    pid = computing(app)
    assert pid is not None
    return pid


def killed_run(ground: Ground) -> None:
    """The system kills the process that computes for a page."""
    app = Served(str(ground.model), str(ground.workspace))
    try:
        shown = asked(app, ground, gv_samples=SAMPLES, gv_seed=70)
        os.kill(in_calibration(app, ground), signal.SIGKILL)
        text = shown()
        said = re.search(r"The process that did this work was ended[^.<]*\.", text)
        whole = ground.whole_or_none()
        again = "Done." in asked(app, ground, gv_samples=16, gv_seed=71)()
    finally:
        app.close()
    ground.tell(
        "process of a page's run that dies",
        "SIGKILL to it in calibration",
        "the page says so and goes on, earlier results whole; the next run is made and cleans",
        said[0] if said else text[-300:],
        said is not None and whole and again and ground.whole_or_none() and not ground.leftovers(),
    )


def killed_page(ground: Ground) -> None:
    """The page is killed while another process computes for it."""
    app = Served(str(ground.model), str(ground.workspace))
    asked(app, ground, gv_samples=SAMPLES, gv_seed=72)
    pids = [in_calibration(app, ground), *family(app.process.pid)]
    app.process.kill()
    app.process.wait()
    wait_for(lambda: not any(map(alive, pids)), 60)
    whole, left = ground.whole_or_none(), ground.leftovers()
    again = Served(str(ground.model), str(ground.workspace))
    try:
        done = "Done." in asked(again, ground, gv_samples=SAMPLES, gv_seed=72)()
    finally:
        again.close()
    ground.tell(
        "page that dies",
        "SIGKILL to it while a process of its own computes a run",
        f"that process ends by itself and leaves {left} unfinished folder; the next start makes the run whole",
        "",
        whole and done and ground.whole_or_none() and not ground.leftovers(),
    )


def two_apps(ground: Ground) -> None:
    served = [Served(str(ground.model), str(ground.workspace)) for _ in range(2)]
    ends = [asked(app, ground, gv_samples=64, gv_seed=9) for app in served]
    done = sum("Done." in shown() for shown in ends)
    for app in served:
        app.close()
    ground.tell(
        "two apps on one workspace",
        "both are asked for the same analysis at once",
        f"{done} of 2 pages show the whole result",
        "Done." if done else "",
        done == 2 and ground.whole_or_none() and not ground.leftovers(),
    )


@dataclass(frozen=True)
class Click:
    """Something that computes: its button, and what the page holds beside."""

    button: str
    values: dict[str, object] = field(default_factory=dict)


CLICKS = {
    "a comparison": Click("gv-compare", {"gv_query": "why does ice float"}),
    "all queries": Click("gv-measure"),
    "a retraining": Click("gv-train-run"),
    "a benchmark": Click("gv-bench-run"),
    "a look inside": Click("gv-inside-look"),
    "an export": Click("gv-export"),
    "measuring speed": Click("gv-measure-speed"),
}


def clicked(app: Served, click: Click, sparsity: float) -> Callable[[], str]:
    """Press a button in a page of its own; a function that waits for what it showed at the end."""
    seen: list[str] = []

    def press() -> None:
        caller = Caller(app.address, f"chaos-{os.urandom(8).hex()}")
        event = caller.event(click.button, "click")
        with suppress(httpx.HTTPError):
            seen.append(caller.call(event, caller.values(event, **click.values, gv_sparsity=sparsity))["seen"])

    thread = threading.Thread(target=press, daemon=True)
    thread.start()

    def shown() -> str:
        thread.join(300)
        return seen[0] if seen else ""

    return shown


def busy(app: Served) -> int:
    """Wait until the process that stays computes; it."""
    used: dict[int, float] = {}

    def found() -> int | None:
        pid = computing(app)
        if pid is None:
            return None
        return pid if processor_seconds(pid) >= used.setdefault(pid, processor_seconds(pid)) + WORKED else None

    wait_for(lambda: found() is not None, 60)
    pid = computing(app)
    assert pid is not None
    return pid


def killed_work(ground: Ground) -> None:
    """The system kills the process that stays in the middle of each kind of work, and then its host with it."""
    app = Served(str(ground.model), str(ground.workspace))
    try:
        app.wait_until_idle()
        sparsity = 0.3
        for name, click in CLICKS.items():
            for host_too in (False, True):
                sparsity = round(sparsity + 0.013, 3)
                # What is tidied up after the comparison before is no work that anybody waits for.
                time.sleep(TIDY_SECONDS)
                shown = clicked(app, click, sparsity)
                pid = busy(app)
                for one in (parent(pid), pid) if host_too else (pid,):
                    os.kill(one, signal.SIGKILL)
                said = re.search(r"The process that did this work was ended[^.<]*\.", text := shown())
                again = "gv-rank" in clicked(app, CLICKS["a comparison"], sparsity)()
                ground.tell(
                    "process of a page's work that dies",
                    f"SIGKILL in the middle of {name} to it{' and its host' if host_too else ''}",
                    "the page says so at its place and goes on; the next comparison is made",
                    said[0] if said else text[-300:],
                    said is not None and again and ground.whole_or_none(),
                )
    finally:
        app.close()


def no_memory_for_work(ground: Ground) -> None:
    """The process that stays gets no more memory."""
    app = Served(str(ground.model), str(ground.workspace))
    try:
        app.wait_until_idle()
        pid = computing(app)
        assert pid is not None
        taken = address_space(pid)
        resource.prlimit(pid, resource.RLIMIT_AS, (taken + 2**20, taken + 2**20))
        text = clicked(app, CLICKS["a comparison"], 0.61)()
        said = re.search(r"(Memory ran out|The process that did this work was ended)[^.<]*\.", text)
        again = "gv-rank" in clicked(app, CLICKS["a comparison"], 0.61)()
    finally:
        app.close()
    ground.tell(
        "out of memory in a page's work",
        "1 MiB is left when a comparison begins",
        "the page says so at its place and goes on; the same comparison is made by a fresh process",
        said[0] if said else text[-300:],
        said is not None and again and ground.whole_or_none(),
    )


STEPS = (killed_run, killed_page, two_apps, killed_work, no_memory_for_work)
