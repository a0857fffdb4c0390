# make demo   the main job on a fresh machine, with its table and picture
# make test   the whole suite
# make lint types sanitize bench fix clean
# Each target does its own set-up in .venv and costs seconds when that is done.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
NATIVE := $(wildcard methods/splats/native/*.cpp methods/splats/native/*.hpp)
ROOMS  := harness methods datasets metrics leaderboards

.PHONY: help demo test lint types fix bench sanitize constraints clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/python: tools/check_machine.sh
	@sh tools/check_machine.sh "$(PYTHON)"
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

# The package is installed in place, so only its metadata and its C++ sources can make this stale.
$(VENV)/package: $(VENV)/python pyproject.toml setup.py constraints.txt $(NATIVE)
	$(PIP) "setuptools>=80"
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/tools: $(VENV)/package
	$(PIP) --no-build-isolation --editable ".[dev]"
	@touch $@

demo: $(VENV)/package
	$(BIN)/recgen-bench run --method 3dgs --set iterations=1500 --dataset street --scene 0 --shift 3m --out runs/demo
	$(BIN)/recgen-bench run --method faithfusion --dataset street --scene 0 --shift 3m --out runs/demo
	$(BIN)/recgen-bench leaderboard runs/demo --format md
	$(BIN)/recgen-bench export runs/demo/cells/* --sheet runs/demo/sheet.png

test: $(VENV)/tools
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The type checker cannot follow an editable install with renamed folders; links show it the installed names.
types: $(VENV)/tools
	@mkdir -p build/types/recgen_bench
	@for room in $(ROOMS); do ln -sfn ../../../$$room build/types/recgen_bench/$$room; done
	MYPYPATH=build/types $(BIN)/mypy $(foreach room,$(ROOMS),-p recgen_bench.$(room))

# The kernels under the address and undefined-behaviour sanitizers, on random and degenerate scenes.
sanitize: $(VENV)/python
	sh benchmarks/sanitize.sh

bench: $(VENV)/tools
	$(BIN)/python benchmarks/raster.py
	$(BIN)/python benchmarks/eig.py
	$(BIN)/python benchmarks/ssim.py
	$(BIN)/python benchmarks/fid.py
	$(BIN)/python benchmarks/score.py
	$(BIN)/python benchmarks/street.py
	$(BIN)/python benchmarks/overhead.py

fix: $(VENV)/tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: $(VENV)/tools
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable; } > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info methods/splats/*.so
