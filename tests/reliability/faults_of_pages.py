"""Faults of the page and of the process that computes for it."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

import httpx

from tests.app.served import Caller, wait_for
from tests.reliability.ground import Ground
from tests.reliability.load import Served
from tests.system import alive, family, parent

# Long enough that a process can be found while it computes.
SAMPLES = 256


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
    """The process that computes for a page: forked by the one that waits for requests."""
    below = family(app.process.pid)[1:]
    return next((pid for pid in below if parent(pid) in below), None)


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


STEPS = (killed_run, killed_page, two_apps)
