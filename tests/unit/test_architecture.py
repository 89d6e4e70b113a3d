"""The page on the architecture does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes import MOST_LINES, PAGE, ROOT, copy_of_the_package, environment, follow, recipe
from tests.walls import FLOORS, PACKAGE, circles, imported_modules, name_of, package_of, room_of, violations

RECIPES = {
    "A criterion": """
from gaprune_viz.criteria.registry import criteria
from gaprune_viz import open_analysis
from gaprune_viz.config import ScoreSpec, Settings
from gaprune_viz.storage.paths import assets
assert next(iter(criteria())) == "contrast"
preview = open_analysis(assets() / "demo").live.preview(Settings(score=ScoreSpec(criterion="contrast")))
assert "Contrast alone decides" in preview.sentence, preview.sentence
""",
    "A tab": """
import gradio as gr
from gaprune_viz.app.page import build
demo = build()
assert [b.label for b in demo.blocks.values() if isinstance(b, gr.Tab)][-1] == "Toy"
""",
    "A reader": """
from pathlib import Path
from gaprune_viz.data.triplets import load_triplets
Path("own.pairs").write_text("what is salt | a mineral | a tree\\nwhat is rain | water from clouds | a stone\\n")
triplets = load_triplets("own.pairs").triplets
assert [t.query for t in triplets] == ["what is salt", "what is rain"], triplets
assert triplets[1].negatives == ("a stone",)
""",
    "A figure": """
import pandas as pd
from gaprune_viz.figures.weights.sizes import sizes_figure
figure = sizes_figure(pd.DataFrame({"layer": [0, 0, 1], "size": [3, 4, 5]}))
assert list(figure.data[0].y) == [7, 5]
assert figure.layout.height == 280
""",
}


@pytest.mark.parametrize("title", RECIPES)
@pytest.mark.slow
def test_a_recipe_works_when_it_is_followed_to_the_letter(title: str, tmp_path: Path) -> None:
    place = copy_of_the_package(tmp_path)
    follow(title, place)
    done = subprocess.run(
        [sys.executable, "-c", RECIPES[title]],
        cwd=tmp_path,
        env=environment(place),
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_is_short_and_breaks_no_wall(title: str) -> None:
    for kind, name, text in recipe(title):
        assert len([line for line in text.splitlines() if line.strip()]) <= MOST_LINES, name
        if kind == "python":
            path = ROOT / name
            assert list(violations(text, room_of(path), package_of(path))) == []


def test_the_picture_has_every_room_in_its_order() -> None:
    picture = PAGE.read_text(encoding="utf-8").split("```")[1]
    rooms = [room for floor in FLOORS for room in floor if room not in ("__main__", "figures")]
    drawn = [word for line in picture.splitlines() for word in line.split()[:2] if word in rooms]
    assert drawn == rooms
    assert "figures" in picture


def test_the_places_that_the_page_names_are_there() -> None:
    text = re.sub(r"```.*?```", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r"`((?:app|calibration|tests|gaprune_viz)/[\w/]+(?:\.py)?)`", text)
    assert len(named) >= 6
    for name in named:
        assert (ROOT / name).exists() or (PACKAGE / name).exists(), name


@pytest.mark.slow
def test_one_wrong_import_in_the_package_is_seen(tmp_path: Path) -> None:
    """The walls do not only know made-up sources: they see a wrong line in a real module."""
    source = (PACKAGE / "criteria" / "dai.py").read_text(encoding="utf-8")
    assert list(violations(source, "criteria", "gaprune_viz.criteria")) == []
    wrong = source.replace("import annotations\n", "import annotations\n\nfrom gaprune_viz.analysis import making\n", 1)
    (line,) = violations(wrong, "criteria", "gaprune_viz.criteria")
    assert "criteria may not import analysis" in line
    known = {"gaprune_viz.models.blocks", "gaprune_viz.models.roles"}
    arrows = {
        name_of(PACKAGE / "models" / "blocks.py"): imported_modules(
            "from gaprune_viz.models.roles import ROLES", "gaprune_viz.models", known
        ),
        name_of(PACKAGE / "models" / "roles.py"): imported_modules(
            (PACKAGE / "models" / "roles.py").read_text(encoding="utf-8"), "gaprune_viz.models", known
        ),
    }
    assert circles(arrows) == [sorted(known)]
