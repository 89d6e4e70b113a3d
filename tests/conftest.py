"""Fixtures for all tests. No test reaches a network or writes outside its own folders."""

from __future__ import annotations

import os
import tempfile

# Before torch, gradio or a Hugging Face library is imported: they read these once.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["GAPRUNE_VIZ_WORKSPACE"] = tempfile.mkdtemp(prefix="gaprune-viz-tests-")
os.environ["MTEB_CACHE"] = tempfile.mkdtemp(prefix="gaprune-viz-tests-")
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp(prefix="gaprune-viz-tests-")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Each process serves from ports of its own: two that look for a free one at a time would find the same.
os.environ["GRADIO_SERVER_PORT"] = str(7_860 + 100 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))

import atexit
import gc
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.commands import Result, Run
from tests.servers import ELSEWHERE, close_servers

if TYPE_CHECKING:
    from gaprune_viz.evaluation.embedding_cache import CachedEncoder
    from gaprune_viz.models.encoder import EmbeddingModel
    from tests.tiny_models import PaddingSide

# Until all tests are collected, and torch, gradio and transformers are loaded, nothing is garbage.
gc.disable()

# What one process has encoded no other encodes again: the one that starts the run makes the folder, and tells of it.
EMBEDDINGS = "GAPRUNE_VIZ_TEST_EMBEDDINGS"
if EMBEDDINGS not in os.environ:
    os.environ[EMBEDDINGS] = tempfile.mkdtemp(prefix="gaprune-viz-tests-")
    atexit.register(shutil.rmtree, os.environ[EMBEDDINGS], ignore_errors=True)
(Path(os.environ["GAPRUNE_VIZ_WORKSPACE"]) / "embeddings").symlink_to(os.environ[EMBEDDINGS])
for _name in ("GAPRUNE_VIZ_WORKSPACE", "MTEB_CACHE", "HF_DATASETS_CACHE"):
    atexit.register(shutil.rmtree, os.environ[_name], ignore_errors=True)

# A busy machine makes single examples slow at times.
settings.register_profile("ci", deadline=None, max_examples=60)
settings.load_profile("ci")

DOMAIN_TRIPLETS: tuple[tuple[str, ...], ...] = (
    # query, positive, one or more negatives
    ("why does salt dissolve in water", "water pulls the ions of a salt apart", "oil and water stay apart"),
    ("what is a covalent bond", "two atoms share a pair of electrons", "a metal gives electrons to all its atoms"),
    ("charge of a proton", "a proton has one positive charge", "an electron is negative", "a neutron has no charge"),
    ("how does an acid react with a metal", "the acid gives hydrogen gas and a salt", "a base turns the paper blue"),
    ("what makes a reaction fast", "heat and a catalyst raise the rate", "the mass stays the same in a reaction"),
    ("carbon in living cells", "carbon makes four bonds and long chains", "silicon makes up sand and glass"),
    ("when does a liquid boil", "it boils when its vapour presses like the air", "it freezes when heat is taken out"),
    ("what is an ion", "an atom that lost or won electrons", "a molecule has two atoms", "a salt is solid"),
    ("energy of a bond", "breaking a bond takes energy", "a spring stores energy when it is bent"),
    ("how is oxygen made by a plant", "light splits water and oxygen goes free", "the root takes up salt and water"),
    ("what is a mole", "a mole counts the particles of a substance", "a gram counts the mass of a thing"),
    ("why is gold yellow", "its electrons take up blue light", "copper turns green in wet air"),
)  # fmt: skip
GENERAL_TRIPLETS: tuple[tuple[str, ...], ...] = (
    ("longest river of the land", "the long river runs from the hills to the sea", "the lake lies between two hills"),
    ("why does the moon change", "we see the lit side of the moon from new angles", "the sun turns once in a month"),
    ("what is a city", "many people live close together there", "a village has few houses", "a farm stands alone"),
    ("how are seasons made", "the axis of the planet leans on its orbit", "the tide follows the moon"),
    ("what is a bond in a market", "a loan that is paid back with interest", "a share is a part of a company"),
    ("how does wind begin", "air flows from high to low pressure", "rain falls from cold clouds"),
    ("why is the sea salty", "rivers carry salt into the sea for ages", "rain is fresh water", "ice has little salt"),
    ("what is a tax", "money that a state takes to pay for schools", "a gift is given freely"),
    ("when do birds travel", "they fly south before the cold days", "bears sleep through the cold days"),
    ("how old is a tree", "count the rings in its wood", "count the legs of an insect"),
    ("what is a map", "a drawing of the land seen from above", "a clock shows the time of the day"),
    ("who reads the news", "people who want to know what happened today", "a cook reads a list of what to buy"),
)  # fmt: skip


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`tiny_model_folder(family, padding_side="right")`: the folder of a random model, made once for each pair."""
    made: dict[tuple[str, str], Path] = {}

    def folder(family: str, padding_side: PaddingSide = "right") -> Path:
        from tests.tiny_models import build

        key = (family, padding_side)
        if key not in made:
            place = tmp_path_factory.mktemp("models") / f"tiny-{family}-{padding_side}"
            made[key] = build(place, family, padding_side=padding_side)
        return made[key]

    return folder


@pytest.fixture(scope="session")
def tiny_bert(tiny_model_folder: Callable[..., Path]) -> Path:
    """A folder with a random two-layer BERT."""
    return tiny_model_folder("bert")


@pytest.fixture(scope="session")
def tiny_qwen3(tiny_model_folder: Callable[..., Path]) -> Path:
    """A folder with a random two-layer Qwen3, padded on the left as the published embedding models are."""
    return tiny_model_folder("qwen3", "left")


@pytest.fixture(scope="session")
def minilm() -> EmbeddingModel:
    """The default model with its real weights, loaded once. Whoever changes its weights puts them back."""
    from gaprune_viz.config import ModelSpec
    from gaprune_viz.models.loading import load_model

    return load_model(ModelSpec())


@pytest.fixture(scope="session")
def dense_minilm(minilm: EmbeddingModel) -> CachedEncoder:
    """The default model, which encodes the same texts once in a run, whatever the process."""
    from gaprune_viz.evaluation.embedding_cache import CachedEncoder, embedding_cache

    return CachedEncoder(minilm, embedding_cache())


def write_triplets(path: Path, rows: tuple[tuple[str, ...], ...]) -> Path:
    """Triplets as JSON lines: a single negative as text, several as a list."""
    lines: list[dict[str, Any]] = [
        {"query": query, "positive": positive, "negative": list(negatives) if len(negatives) > 1 else negatives[0]}
        for query, positive, *negatives in rows
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_triplets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files of twelve triplets each, domain and general; some triplets have two negatives."""
    folder = tmp_path_factory.mktemp("triplets")
    return (
        write_triplets(folder / "domain.jsonl", DOMAIN_TRIPLETS),
        write_triplets(folder / "general.jsonl", GENERAL_TRIPLETS),
    )


@pytest.fixture(scope="session")
def tiny_analysis(tiny_bert: Path, tiny_triplets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished analysis of all linear weights of the tiny BERT. Read it, never write to it."""
    from gaprune_viz.analysis.making import analyze
    from gaprune_viz.calibration.progress import drain
    from gaprune_viz.config import CalibrationSpec, ModelSpec, RunSpec, Sampling, Scope

    domain, general = tiny_triplets
    run = RunSpec(
        model=ModelSpec(model=str(tiny_bert), device="cpu"),
        calibration=CalibrationSpec(
            domain=str(domain), general=str(general), samples=12, sampling=Sampling.ALL, scope=Scope.LINEAR
        ),
    )
    return drain(analyze(run, tmp_path_factory.mktemp("analysis") / "tiny-bert"))


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_kept_for_the_next_file(request: pytest.FixtureRequest) -> Iterator[None]:
    """Servers, models and texts of one file of tests are let go of before the next: a worker stays small."""
    if "browser" not in request.path.parts:
        for end in ELSEWHERE:
            end()
    yield
    close_servers()
    for room, name in (("app.session.store", "STORE"), ("jobs.works.memory_cache", "KEPT")):
        module = sys.modules.get(f"gaprune_viz.{room}")
        if module is not None:
            getattr(module, name).clear()
    ontologies = sys.modules.get("gaprune_viz.data.ontologies")
    if ontologies is not None:
        ontologies.ontology_corpus.cache_clear()
    if gc.get_freeze_count() > request.session.stash[_ASIDE]:
        # A page for many people sets aside from collection what is there when it is ready: pages of earlier files too.
        gc.unfreeze()
        request.session.stash[_ASIDE] = set_aside()
    memory = sys.modules.get("gaprune_viz.models.memory")
    if memory is not None:
        memory.release()


def set_aside() -> int:
    """Have what is here, the libraries most of all, not looked through for garbage again: it takes a second, and every
    file of tests ends with it. How many objects that are."""
    gc.collect()
    gc.freeze()
    return gc.get_freeze_count()


_ASIDE = pytest.StashKey[int]()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.enable()
    session.stash[_ASIDE] = set_aside()


# With the longest files first, the processes end together: these folders in this order, and what is slow in them first.
_FIRST = ("browser", "golden", "app", "conformance")
_SLOW = {"minilm", "slow"}


def pytest_configure(config: pytest.Config) -> None:
    # pytest-xdist would begin with the files that have most tests.
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = {item.path for item in items if _SLOW & {mark.name for mark in item.iter_markers()}}

    def rank(item: pytest.Item) -> tuple[int, bool]:
        folder = next((_FIRST.index(part) for part in item.path.parts[-3:] if part in _FIRST), len(_FIRST))
        return folder, item.path not in slow

    items.sort(key=rank)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in this process, with all that it writes caught."""
    from gaprune_viz import cli

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["gaprune-viz", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capfd.readouterr()
        return Result(int(end.value.code or 0), captured.out, captured.err)

    return call
