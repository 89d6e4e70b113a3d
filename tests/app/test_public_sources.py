"""On a public page every source of a side is checked, and counted."""

from __future__ import annotations

import pytest

from gaprune_viz.app.session.access import Access
from gaprune_viz.config import CalibrationSpec, RunSpec, ServeSpec
from gaprune_viz.errors import GapruneError
from tests.app.served import ANN


@pytest.mark.parametrize(
    "domain",
    [
        "finance + /etc/passwd",
        "f=/etc/passwd",
        "a=finance@1 + b=../secret.jsonl@1",
        "finance + upload:AAAAAAAAAAAAAAAAAAAAAA/own.csv",
        "c=chemistry + h=hub:org/name",
    ],
)
def test_no_source_hides_behind_another(domain: str) -> None:
    access = Access(ServeSpec(public=True))
    run = RunSpec(calibration=CalibrationSpec(domain=domain, samples=4))
    with pytest.raises(GapruneError, match=r"starter collections and your own uploads|upload is not here"):
        access.check_run(run, ANN)


def test_the_samples_of_all_sources_count() -> None:
    access = Access(ServeSpec(public=True, max_samples=64))
    one = CalibrationSpec(domain="finance + chemistry", samples=32)
    access.check_run(RunSpec(calibration=one), ANN)
    with pytest.raises(GapruneError, match="samples: 66 is more than this public page takes"):
        access.check_run(RunSpec(calibration=one.with_(samples=33)), ANN)
