"""Names that climb out of their folder and texts with markup: what becomes of each."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

MARKUP = "<script>alert(1)</script>"
CLIMB = "../../etc/passwd"


def refused(ask: Callable[[], object]) -> str:
    """The line that refuses something."""
    from gaprune_viz.errors import GapruneError

    try:
        return f"TAKEN: {ask()}"
    except GapruneError as error:
        return str(error)


def words(page: str) -> str:
    """What a person reads of HTML."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def names(folder: Path) -> Iterator[tuple[str, str]]:
    """Every place where a name is given, with one that is a path."""
    from gaprune_viz.app.session.access import Access
    from gaprune_viz.app.tabs.study.finished_studies import place_of
    from gaprune_viz.config import CalibrationSpec, ServeSpec, Settings
    from gaprune_viz.data.beir import read_beir
    from gaprune_viz.data.hub import parse_hub
    from gaprune_viz.experiments.saved_presets import find_preset, save_preset
    from gaprune_viz.models.sources import resolve_source
    from gaprune_viz.storage.workspace import keep_upload, upload_path

    token = "a" * 22
    yield "id of an analysis", refused(lambda: Access(ServeSpec()).folder(CLIMB, "session"))
    yield "id of a study", refused(lambda: place_of(f"own:{CLIMB}"))
    yield "id of an upload", refused(lambda: upload_path(f"upload:{token}/{CLIMB}"))
    sent = folder / "..%2f..%2fx.jsonl"
    sent.write_text("{}\n")
    kept = keep_upload(sent, folder)
    yield "file name of an upload", f"Kept as {kept.rpartition('/')[2]}, under an id that cannot be guessed."
    place = folder / "uploads" / token
    place.mkdir()
    (place / "link.jsonl").symlink_to("/etc/passwd")
    yield "an upload replaced by a link", refused(lambda: upload_path(f"upload:{token}/link.jsonl", folder))
    (folder / "corpus.jsonl").write_text("{}\n")
    (folder / "queries.jsonl").write_text("{}\n")
    yield "split of a BEIR folder", refused(lambda: read_beir(folder, CLIMB))
    yield "name of a preset, saved", refused(lambda: save_preset(CLIMB, Settings(), ""))
    yield "name of a preset, asked for", refused(lambda: find_preset(CLIMB))
    yield "model", refused(lambda: resolve_source(CLIMB))
    yield "data set of the Hub", refused(lambda: parse_hub(f"hub:{CLIMB}"))
    yield "columns", refused(lambda: CalibrationSpec.parse({"domain_columns": CLIMB}))
    public = Access(ServeSpec(public=True))
    yield "data on a public page", refused(lambda: public.check_source(CLIMB, "session"))


def texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every place where somebody's text is shown, with markup in it."""
    import json

    from gaprune_viz.app.frame.address import params_of, settings_of
    from gaprune_viz.app.session.event_guard import refusal
    from gaprune_viz.data.preview import inspect_upload
    from gaprune_viz.errors import GapruneError
    from gaprune_viz.evaluation.ranking import RankedPassage, SideBySide
    from gaprune_viz.figures.kit import panels
    from gaprune_viz.figures.retrieval import ranking
    from gaprune_viz.models.sources import resolve_source
    from gaprune_viz.storage.csv_tables import csv_text

    def shown(page: str) -> str:
        if "<script" in page:
            return "RENDERED"
        return "Shown as text." if html.escape(MARKUP)[4:] in page else "Not shown."

    def error_of(ask: Callable[[], object]) -> GapruneError:
        try:
            ask()
        except GapruneError as error:
            return error
        raise AssertionError("it was taken")

    passage = RankedPassage(MARKUP, MARKUP, MARKUP, MARKUP, 1, 1, 0.5, 0.5, True)
    sides = SideBySide((passage,), (passage,), 1.0)
    yield "query, title and text of a passage", shown(ranking.ranking_html(MARKUP, sides))
    wrong = error_of(lambda: resolve_source(MARKUP))
    yield "model name, in the card that refuses it", shown(panels.error_card(wrong.message, wrong.hint))
    wrong = error_of(lambda: settings_of(params_of(f"sparsity={MARKUP}")))
    yield "setting in an address, in the message that refuses it", shown(refusal(wrong).message)
    path = folder / "markup.jsonl"
    path.write_text(json.dumps({"query": MARKUP, "positive": [MARKUP], "negative": 1}) + "\n")
    problem = GapruneError(inspect_upload(path, {"query": MARKUP}).problem)
    yield "column of an upload, in the card that refuses it", shown(panels.error_card(problem.message))
    yield "name of a model or of data, over the page", shown(panels.run_header(MARKUP, bundled=False))
    import pandas as pd

    cells = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"]
    for cell in cells:
        line = csv_text(pd.DataFrame({"text": [cell]})).partition("\n")[2].rstrip("\n")
        yield f"{cell!r} in a CSV export", f"Written as {line!r}."
