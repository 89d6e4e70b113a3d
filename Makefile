# `make` lists the targets. PYTHON, HOST and PORT can be set: `make run PORT=8000`.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
SEED ?= 0
MINUTES ?= 60
CASES ?= 10000
# PyTorch's CPU build, where the usual index would bring a CUDA build of several gigabytes:
# make run TORCH_ARGS="--index-url https://download.pytorch.org/whl/cpu"
TORCH_ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --constraint constraints.txt
BROWSERS := chromium chromium-browser google-chrome
BENCHMARKS := $(filter-out benchmarks/_% benchmarks/fidelity.py benchmarks/robust.py benchmarks/kinds.py benchmarks/architectures.py benchmarks/starting.py benchmarks/refit_quality.py benchmarks/executors.py benchmarks/tasks.py,$(wildcard benchmarks/*.py))

# The lowest versions are tried with one torch: an older one would be another download of gigabytes.
LOWEST := .venv-lowest
LOWEST_TESTS := $(addprefix tests/unit/,config storage models data calibration criteria masking sketch pruning analysis \
	evaluation figures cli) tests/app

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: robust quick lowest chaos load soak fuzz hostile audit sbom space help .venv run test check suite browser bench study study-refit domains domains-starters frontier screenshots clean fidelity architectures

help: ## Show this list
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.venv: $(READY) ## Set up the virtual environment (by itself, when something has changed)

# torch goes first: its exact version may be had as a CPU build, which a range asked for by others would pass over.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up .venv (a few minutes the first time)"
	@$(PYTHON) -m venv .venv
	@$(PIP) $(TORCH_ARGS) torch==2.13.0
	@$(PIP) --editable '.[test,ontologies]'
	@touch $@

run: $(READY) ## Open the page at http://127.0.0.1:7860 (HOST, PORT)
	@$(BIN)/python app.py --host $(HOST) --port $(PORT)

test: check suite ## Run all checks and all tests, the browser's too

check: $(READY) ## Style, types and import walls: what CI runs first
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/pyright
	@$(BIN)/python -m pytest --quiet tests/unit/test_walls.py

# Files of tests go to a process whole: the tests of a file share what is dear to make. Browser tests wait now and then:
# three processes keep two processors busy. Few arenas keep the processes small; giving back every freed block at once
# would make them a twentieth smaller still, and a sixth slower.
quick suite: export MALLOC_ARENA_MAX := 2

quick: $(READY) ## The fast tests, for use while working (a minute); the walls are in `make check`
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile -m "not slow and not minilm" tests/unit \
		--ignore tests/unit/fuzz --ignore tests/unit/test_walls.py

suite: $(READY) browser ## The tests alone
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

browser:
	@for name in $(BROWSERS); do command -v $$name >/dev/null && exit 0; done; \
	command -v apt-get >/dev/null || { echo "Install Chromium: the browser tests need it on the PATH." >&2; exit 1; }; \
	echo "Installing Chromium"; \
	if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	log=$$(mktemp); \
	{ $$sudo apt-get update && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y chromium; } >"$$log" 2>&1 \
		|| { cat "$$log" >&2; rm -f "$$log"; exit 1; }; \
	rm -f "$$log"

# One at a time with `make bench BENCHMARKS=benchmarks/live.py`: what was measured before stays in the document.
bench: $(READY) browser ## Run the benchmarks (20 minutes), keep their JSON, write docs/performance.md
	@mkdir -p docs/benchmarks
	@set -e; for script in $(BENCHMARKS); do echo "$$script" >&2; \
		name=$$(basename $$script .py); $(BIN)/python $$script --json >docs/benchmarks/$$name.part; \
		mv docs/benchmarks/$$name.part docs/benchmarks/$$name.json; done
	@$(BIN)/python benchmarks/_render.py docs/benchmarks docs/performance.md

fidelity: $(READY) ## Compare the released procedure with the definition anew: docs/fidelity.md
	$(BIN)/python benchmarks/fidelity.py --write docs/fidelity.md

# Hours on two cores from nothing; what is in build/robust is not measured again.
robust: $(READY) ## Compare settings by their worst source: docs/robust.md (hours)
	$(BIN)/python benchmarks/robust.py --write docs/robust.md

architectures: $(READY) ## Hold every text architecture of transformers against one backward per sample
	$(BIN)/python benchmarks/architectures.py

# About five hours on two cores from nothing; what is in docs/study is not measured again. Ablation and sample sizes
# are left out here: `gaprune-viz study` has them by default.
STUDY := $(BIN)/python -m gaprune_viz study --samples 600 --sampling random --scope linear --sparsities 0.3,0.5,0.7 --retrain-max-length 64 --no-ablation --sample-sizes none
STUDIES := $(addprefix docs/study/,chebi chemistry finance)
REFIT_STUDIES := $(STUDIES:%=%-refit)
study: $(READY) ## Finish the study of the default model and write docs/study.md (hours)
	$(STUDY) --out docs/study/chebi --domain ontology:chebi --general ontology:mondo --task ontology:chebi:1000 \
		--general-task ontology:mondo:300 --retrain-batch-size 16
	for domain in chemistry finance; do $(STUDY) --out docs/study/$$domain --domain $$domain --general general \
		--task $$domain --general-task general --retrain-batch-size 8 || exit 1; done
	$(BIN)/python -m gaprune_viz study-report $(STUDIES) $(wildcard $(REFIT_STUDIES)) --markdown docs/study.md
	for domain in chebi chemistry finance; do cp docs/study/$$domain/study.json assets/study/$$domain.json; done

# What a refit adds, and whether it beats SparseGPT and magnitude with a refit: three calibration seeds for the headline.
study-refit: $(READY) ## Hold refitted rows against SparseGPT in docs/study/chebi-refit (hours)
	$(STUDY) --sparsities 0.5,0.7 --out docs/study/chebi-refit --domain ontology:chebi --general ontology:mondo \
		--task ontology:chebi:1000 --general-task ontology:mondo:300 --retrain-batch-size 16 --refit --refit-tolerance 0.001 \
		--seeds 1,2 --jobs 2 --rows magnitude,sparsegpt,paper,balanced,robust
	for domain in chemistry finance; do $(STUDY) --sparsities 0.5,0.7 --out docs/study/$$domain-refit --domain $$domain \
		--general general --task $$domain --general-task general --samples 128 --no-retrained --refit \
		--refit-tolerance 0.001 --seeds 1,2 --jobs 2 --rows magnitude,balanced,robust || exit 1; done
	$(BIN)/python -m gaprune_viz study-report $(STUDIES) $(REFIT_STUDIES) --markdown docs/study.md
	cp docs/study/chebi-refit/study.json assets/study/chebi-refit.json

# Five sources, five criteria, two seeds, with and without a refit, and the masks once more with shuffled texts: hours on
# two cores from nothing; what is in build/domains is not measured again. At this tolerance the objective of a refit is
# within one in ten thousand of the exact solution's.
TRANSFER := $(BIN)/python -m gaprune_viz transfer --samples 64 --scope linear
FIVE := --sources chemistry,finance,general,ontology:chebi:250,ontology:mondo:150
domains: $(READY) ## Measure the whole transfer map and write docs/domains.md (hours)
	$(TRANSFER) --out build/domains --markdown docs/domains.md $(FIVE) \
		--criteria balanced,obd_domain,wanda,magnitude,paper --sparsities 0.5,0.6,0.7 --refit --refit-tolerance 0.001 \
		--seeds 1 --jobs 2

# Three calibration seeds; of the second and third what varies most with them: half of the neurons out. Hours on two
# cores from nothing; what is in build/frontier is not measured again.
SEED_ROWS := dense,neurons-50,neurons-50-int8
FRONTIERS := $(foreach domain,chemistry finance chebi,$(foreach seed,0 1 2,$(domain)-$(seed)))
frontier: $(READY) ## Measure smaller models on three sources and write docs/frontier.md (hours)
	for domain in chemistry finance chebi; do case $$domain in \
		chebi) of=ontology:chebi general=ontology:mondo task=ontology:chebi:250 other=ontology:mondo:150;; \
		*) of=$$domain general=general task=$$domain other=general;; esac; \
		for seed in 0 1 2; do place=build/frontier/$$domain-$$seed; \
		[ -d $$place ] || $(BIN)/python -m gaprune_viz analyze --domain $$of --general $$general --samples 128 \
			--sampling random --seed $$seed --scope linear --out $$place || exit 1; \
		$(BIN)/python -m gaprune_viz frontier $$place --task $$task --general-task $$other \
			$$([ $$seed = 0 ] || echo --rows $(SEED_ROWS) --rounds 1) || exit 1; done; done
	$(BIN)/python -m gaprune_viz frontier-report $(FRONTIERS:%=build/frontier/%/frontier) --markdown docs/frontier.md
	cp build/frontier/chemistry-0/frontier/frontier.json assets/frontier/chemistry.json

domains-starters: $(READY) ## The small map of the starter domains, which the tab Domains opens
	$(TRANSFER) --out build/domains-starters --sources chemistry,finance,general \
		--criteria balanced,obd_domain,wanda --sparsities 0.5,0.7
	mkdir -p assets/transfer && cp build/domains-starters/transfer.json assets/transfer/starters.json

chaos: $(READY) ## Inject every fault once; prints what happened (SEED=0)
	@$(BIN)/python tests/reliability/chaos.py --seed $(SEED)

load: $(READY) ## Twenty people move sliders while an analysis runs
	@$(BIN)/python tests/reliability/load.py

soak: $(READY) ## People come and go for MINUTES=60; the memory curve
	@$(BIN)/python tests/reliability/soak.py --minutes $(MINUTES)

fuzz: $(READY) ## CASES=10000 random inputs for every reader, parser, event and endpoint (hours)
	@GAPRUNE_FUZZ=$(CASES) $(BIN)/python -m pytest -q -o timeout=7200 --durations=0 tests/unit/fuzz tests/app/test_fuzz_api.py

hostile: $(READY) ## Hostile uploads and models, and the line that answers each
	@$(BIN)/python tests/reliability/hostile.py

# Strict: a package that the database does not answer for would pass as one without holes.
audit: $(READY) ## Known holes in the pinned set (asks a public database)
	@$(PIP) pip-audit && $(BIN)/python -m pip_audit --strict --requirement constraints.txt --no-deps --disable-pip

sbom: $(READY) ## A bill of materials, CycloneDX JSON
	@$(BIN)/python scripts/sbom.py

space: ## Check this clone as Hugging Face Spaces would build it
	@scripts/check_space.sh

# torch brings a filelock of its own choice, which would be kept.
lowest: ## The page, the command line, mteb and the core with the lowest versions allowed (an environment of its own)
	@$(PYTHON) -m venv $(LOWEST)
	@$(LOWEST)/bin/python -m pip --disable-pip-version-check install -qq $(TORCH_ARGS) torch==2.13.0 uv
	@echo torch==2.13.0 >$(LOWEST)/torch.txt
	@$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct \
		--upgrade-package filelock \
		--constraint $(LOWEST)/torch.txt --editable '.[test,ontologies]'
	@$(LOWEST)/bin/python -m pytest -q $(LOWEST_TESTS)

screenshots: $(READY) browser ## Take the pictures of docs/screens anew
	@$(BIN)/python tests/browser/screenshots.py docs/screens

clean: ## Remove what building and testing left behind, the environment too
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
