# Everything runs in .venv, which the first target that needs it makes from the pinned, hashed requirements.
# With make PYTHON=... it is .venv-3.12, or whatever that interpreter is, so that one never stands for another.
PYTHON ?= python3
VENV   := .venv
ifneq ($(PYTHON),python3)
VENV   := .venv-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
endif
BIN    := $(VENV)/bin
ARGS   ?=
JOBS   ?= 8
SEEDS  ?= 50
ENGINES ?= tcp,tcp-keys,ipc,nats,nats-tls

.PHONY: guides docs sbom dist halts hearsay outages realoutages mutants up test smoke apidocs links wheel check format bench chart cold edgebench edgecrowd latency overload scale clients verdict replaysame replaytiming capturerate capturedamage \
  capturekills captureseek tapcost strangers forgeries engines scenarios poison faults twonodes orders returns requests search lives kills seeds quietdays levels marketdays idle pins clean help

help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "quotebus needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# What git keeps as links is a text file, or nothing, in a zip or an sdist.
LINKS := quotebus/bus quotebus/pricing quotebus/execution_adapter .editable/quotebus

links:
	@for link in $(LINKS); do test -d $$link || { mkdir -p $$(dirname $$link) && ln -sfn ../$$(basename $$link) $$link; }; done

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python links
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-dev.txt
	@touch $@

up: $(VENV)/.run ## broker, simulated exchange, pricing node and execution worker; ARGS="--for 30" ends by itself
	@$(BIN)/quotebus up $(ARGS)

# The tests start more than two hundred programs: they are compiled once, also where the environment says never.
# In a fresh clone the tests are compiled by one process first: eight at a time would each compile them all.
test: $(VENV)/.dev ## the test suite; ARGS="-k name" for a part of it
	@[ -e tests/__pycache__ ] || PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q --collect-only >/dev/null || true
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(ARGS)

# One test file a program, on real sockets: what an interpreter must be able to do before the rest is worth a run.
SMOKE := tests/test_packaging.py tests/bus/test_client.py tests/bus/test_async_client.py tests/bus/capture/format tests/bus/tap \
  tests/pricing/test_node.py tests/pricing/simulator/test_server.py tests/execution_adapter/test_worker.py tests/scenarios/test_lazy.py

smoke: $(VENV)/.dev ## a part of the suite in half a minute; PYTHON=python3.13 for another interpreter
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(SMOKE) $(ARGS)

check: $(VENV)/.dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.docs: requirements-docs.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-docs.txt
	@touch $@

$(VENV)/.release: requirements-release.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements-release.txt
	@touch $@

docs: $(VENV)/.docs ## the documentation site, in site/; strict: a broken link fails
	$(BIN)/python -m tests.docs.site $(ARGS)

guides: $(VENV)/.dev ## every command and sample of the guides, really run
	$(BIN)/python -m tests.docs.run_pages $(ARGS)

sbom: $(VENV)/.release ## dist/quotebus.cdx.json: what an installation consists of, as CycloneDX
	@mkdir -p dist
	$(BIN)/cyclonedx-py requirements --output-reproducible --pyproject pyproject.toml --mc-type library \
	  --output-format JSON --output-file dist/quotebus.cdx.json requirements.txt

dist: $(VENV)/.release ## wheel and sdist, built twice from clean clones and compared, and checked by twine
	$(BIN)/python -m tests.release.build_twice $(ARGS)
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz

wheel: $(VENV)/.run ## dist/quotebus-*.whl, the same bytes from every clean clone
	$(BIN)/python -m hatchling build --target wheel

apidocs: $(VENV)/.dev ## docs/api.md anew, from signatures and docstrings
	$(BIN)/python -m tests.docs.api_page >docs/api.md.new && mv docs/api.md.new docs/api.md

bench: $(VENV)/.dev ## quotes per second beside alpaca-py and a bare pipeline; ARGS="--rounds 9 --json FILE"
	$(BIN)/python -m tests.perf.throughput $(ARGS)

latency: $(VENV)/.dev ## socket to typed quote beside the same; ARGS="--rounds 5 --one-core --calls --json FILE"
	$(BIN)/python -m tests.perf.latency $(ARGS)

cold: $(VENV)/.dev ## the first quote of an idle node beside a bare client; ARGS="--rounds 20"
	$(BIN)/python -m tests.perf.cold $(ARGS)

chart: $(VENV)/.dev ## draw what both have measured; ARGS="bench.json latency.json docs/speed.svg"
	$(BIN)/python -m tests.perf.chart $(ARGS)

edgebench: $(VENV)/.dev ## the edge beside alpaca-proxy-agent; ARGS="--peer FOLDER --peer-python PYTHON"
	$(BIN)/python -m tests.perf.edge $(ARGS)

edgecrowd: $(VENV)/.dev ## a hundred SDKs at one edge, everything killed in turn; ARGS="--streams 100"
	$(BIN)/python -m tests.perf.edge_crowd $(ARGS)

overload: $(VENV)/.dev ## a frozen, a slow and a fast reader: losses, and what they cost the fast one
	$(BIN)/python -m tests.perf.overload $(ARGS)

scale: $(VENV)/.dev ## 10,000 symbols and 100 clients, beside their bounds
	$(BIN)/python -m tests.perf.scale $(ARGS)

clients: $(VENV)/.dev ## AsyncBusClient beside BusClient
	$(BIN)/python -m tests.perf.clients $(ARGS)

verdict: $(VENV)/.dev ## microseconds a verdict before an order takes
	$(BIN)/python -m tests.perf.verdict $(ARGS)

replaysame: $(VENV)/.dev ## one capture at 1x, 10x and max: the same decisions; ARGS="--times 10"
	$(BIN)/python -m tests.perf.replay_determinism $(ARGS)

replaytiming: $(VENV)/.dev ## how punctual a replay at 1x is, and how fast at most
	$(BIN)/python -m tests.perf.replay_timing $(ARGS)

capturerate: $(VENV)/.dev ## messages recorded per second beside plain mcap; ARGS="--rounds 9"
	$(BIN)/python -m tests.perf.capture_throughput $(ARGS)

capturedamage: $(VENV)/.dev ## every cut and every flipped bit of a small capture; ARGS="--every 11" for fewer
	$(BIN)/python -m tests.perf.capture_damage $(ARGS)

capturekills: $(VENV)/.dev ## kill -9 of a recorder; ARGS="--times 1000"
	$(BIN)/python -m tests.perf.capture_kills $(ARGS)

tapcost: $(VENV)/.dev ## what a tap that is attached, or killed, costs a fast reader
	$(BIN)/python -m tests.perf.tap $(ARGS)

outages: $(VENV)/.dev ## how long a node is blind after an outage, on a virtual clock; ARGS="--times 10000"
	$(BIN)/python -m tests.pricing.outages $(ARGS)

realoutages: $(VENV)/.dev ## the same with real programs on real sockets; ARGS="--times 20"
	$(BIN)/python -m tests.faults.outages $(ARGS)

poison: $(VENV)/.dev ## a client beside a forger of its node's messages; ARGS="--frames 100000"
	QUOTEBUS_EXTREMES=all $(BIN)/python -m pytest -q -n $(JOBS) tests/bus/test_poison.py tests/pricing/test_poison.py
	$(BIN)/python -m tests.perf.poison $(ARGS)

faults: $(VENV)/.dev ## every upstream fault shown to the real programs, measured beside its bound; ARGS="--times 3"
	$(BIN)/python -m tests.faults $(ARGS)

engines: $(VENV)/.dev ## NATS: ARGS="bench" beside nats-py, "fuzz --times 10000000", "kill --times 100", "freeze", "outage"
	$(BIN)/python -m tests.engines $(ARGS)

scenarios: $(VENV)/.dev ## every scenario over every engine of the bus; ENGINES=nats,nats-tls for some
	PYTHONDONTWRITEBYTECODE= QUOTEBUS_ENGINES=$(ENGINES) $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal tests/scenarios $(ARGS)

forgeries: $(VENV)/.dev ## forged messages under every key of a broker and every user of a NATS server; ARGS="--attempts 10000"
	$(BIN)/python -m tests.forgeries $(ARGS)

strangers: $(VENV)/.dev ## what hostile peers of the broker cost the others, beside its bound; ARGS="--times 3"
	$(BIN)/python -m tests.strangers $(ARGS)

twonodes: $(VENV)/.dev ## nodes started beside a streaming one, without a common lock folder; ARGS="--starts 400"
	$(BIN)/python -m tests.perf.two_nodes $(ARGS)

returns: $(VENV)/.dev ## how long until all symbols are usable after a kill -9; ARGS="standby --times 10 --clients 10"
	$(BIN)/python -m tests.perf.returns $(ARGS)

mutants: $(VENV)/.dev ## small changes to the modules that judge prices: how many their own tests notice; ARGS="book --seed 2"
	$(BIN)/python -m tests.mutants $(ARGS)

halts: $(VENV)/.dev ## every program killed, stopped and swapped in every state of a halt; ARGS="--rounds 200"
	$(BIN)/python -m tests.perf.halts $(ARGS)

hearsay: $(VENV)/.dev ## 30 days of restarts beside a forger of halts, on a virtual clock; ARGS="--days 30"
	$(BIN)/python -m tests.pricing.hearsay_days $(ARGS)

orders: $(VENV)/.dev ## 14 symbols worked to their end under one trouble each; ARGS="halt cut"
	$(BIN)/python -m tests.execution_adapter.runs $(ARGS)

requests: $(VENV)/.dev ## requests that a worker makes, behind the simulated broker's limit of 200 a minute; ARGS="stream"
	$(BIN)/python -m tests.perf.request_budget $(ARGS)

search: $(VENV)/.dev ## an order of events that over-fills, looked for; ARGS="--seeds 5000"
	$(BIN)/python -m tests.execution_adapter.search $(ARGS)

lives: $(VENV)/.dev ## the worker under kills, full disks, damaged journals, lies: exit status beside the broker's books; ARGS="--times 1000"
	$(BIN)/python -m tests.execution_adapter.lives $(ARGS)

kills: $(VENV)/.dev ## the real worker, killed with SIGKILL at random moments, against the simulator's books; ARGS="--times 50"
	$(BIN)/python -m tests.execution_adapter.kills $(ARGS)

seeds: $(VENV)/.dev ## an hour of random faults per seed, against the node without its sockets; SEEDS=200
	QUOTEBUS_SEEDS=$(SEEDS) $(BIN)/python -m pytest -q -n $(JOBS) tests/pricing/test_core_faults.py $(ARGS)

quietdays: $(VENV)/.dev ## bursty days in which no feed is mute: suspicions, redials, and how soon a mute one is proven; ARGS="--days 20"
	$(BIN)/python -m tests.pricing.mute_days $(ARGS)

captureseek: $(VENV)/.dev ## reading the end of a capture by its index; ARGS="--minutes 20"
	$(BIN)/python -m tests.perf.capture_seek $(ARGS)

levels: $(VENV)/.dev ## days with planted stubs, spikes and gaps against the rule for jumps; ARGS="--days 20 --quotes FILE.csv"
	$(BIN)/python -m tests.pricing.level_days $(ARGS)

marketdays: $(VENV)/.dev ## pricing/market_days.py anew, from exchange_calendars
	$(BIN)/python -m tests.pricing.market_days_file >pricing/market_days.py.new && mv pricing/market_days.py.new pricing/market_days.py

idle: $(VENV)/.dev ## the idle node measured for 30 s
	QUOTEBUS_IDLE_S=30 $(BIN)/python -m pytest -q -k idle_node tests/scenarios/test_lazy.py

pins: $(VENV)/.dev ## resolve the requirements anew
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --extra build --extra web --output-file requirements.txt pyproject.toml
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --extra build --extra web --extra alpaca --extra dev --constraint requirements.txt \
	  --output-file requirements-dev.txt pyproject.toml
	for extra in docs release; do $(BIN)/pip-compile --quiet --upgrade --strip-extras --generate-hashes --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --extra $$extra --constraint requirements-dev.txt \
	  --output-file requirements-$$extra.txt pyproject.toml || exit 1; done

clean: ## remove .venv and everything generated
	rm -rf .venv .venv-* build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
