# Needs make and a Python of 3.11 or newer; everything else is installed into .venv.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
OUT ?= demo-output
SHOWERS ?= showers
GEANT4_DATA ?= subset
WORKERS ?= 2
JUDGED ?= judged-official
REPEATS ?= 10
SIMULATE = $(BIN)/caloforge simulate --workers $(WORKERS) --geant4-data $(GEANT4_DATA)

.PHONY: demo test test-slow test-browser test-compiler test-runtimes lint docs showers judge-official clean

demo: $(STAMP)
	$(BIN)/caloforge demo --out $(OUT)

test: $(STAMP)
	$(BIN)/python -m pytest

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

# Needs chromium, chromium-browser or google-chrome.
test-browser: $(STAMP)
	$(BIN)/python -m pytest -m browser

# Needs g++ and CMake.
test-compiler: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[sofie]' -c constraints.txt
	$(BIN)/python -m pytest -m compiler

# Installs every runtime (2 GB); needs g++.
test-runtimes: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[runtimes]' -c constraints.txt
	$(BIN)/python -m pytest -m runtimes

lint: $(STAMP)
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DOCS_STAMP)
	$(BIN)/mkdocs build --strict

# Sets of Geant4 showers for trainings, each by one command that goes on where it stopped.
showers: $(STAMP)
	mkdir -p $(SHOWERS)
	$(SIMULATE) --detector ds2,ds3 --particle e- --energies log:1:100GeV -n 5000 --seed 1 --out '$(SHOWERS)/electrons-{detector}.hdf5'
	$(SIMULATE) --detector calogan --particle e+ --energies uniform:1:100GeV -n 5000 --seed 2 --turned 5 --out $(SHOWERS)/positrons-calogan.hdf5
	$(SIMULATE) --detector calogan --particle gamma --energies uniform:1:100GeV -n 5000 --seed 3 --turned 5 --out $(SHOWERS)/photons-calogan.hdf5
	$(SIMULATE) --detector siw-ecal --particle gamma --energies uniform:10:100GeV -n 5000 --seed 4 --out $(SHOWERS)/photons-siw-ecal.hdf5

# Full trainings of the CaloChallenge's classifiers; the same command goes on where it stopped:
#   make judge-official REFERENCE=dataset_2_2.hdf5 GENERATED=mine.hdf5 DETECTOR=ds2 FLOOR=dataset_2_1.hdf5
judge-official: $(STAMP)
	@test -f "$(REFERENCE)" -a -f "$(GENERATED)" || { echo "Say which showers: make judge-official REFERENCE=geant4.hdf5 GENERATED=mine.hdf5 [DETECTOR=ds2] [FLOOR=more-geant4.hdf5] [REPEATS=10] [JUDGED=folder]." >&2; exit 1; }
	$(BIN)/caloforge evaluate --protocol 2024-07 --only classifiers --repeats $(REPEATS) --reference '$(REFERENCE)' --generated '$(GENERATED)' \
		$(if $(DETECTOR),--detector '$(DETECTOR)') $(if $(FLOOR),--floor '$(FLOOR)') --out '$(JUDGED)'

clean:
	find src -name "*.nbi" -delete -o -name "*.nbc" -delete
	rm -rf demo-output site build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis src/*.egg-info

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python of 3.11 or newer was found; install one or say make PYTHON=/path/to/python." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,lint]' -c constraints.txt
	touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]' -c constraints.txt
	touch $@
