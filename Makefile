# Everything a person runs. Each target does its own set-up and works a second time.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CACHE  := .cache
PYTHON := $(CACHE)/venv/bin/python
WASM   := target/wasm32-wasip1/wasm/interdict_filter.wasm
SERVER := target/release/interdict
BUILD_SCAN := cargo build --profile wasm --target wasm32-wasip1 --locked -p interdict-bench-scan
OPA    := $(CACHE)/tools/bin/opa
DENY   := $(CACHE)/tools/bin/cargo-deny
DENY_VERSION := 0.20.2

.PHONY: help demo up test check unit policy-test e2e bench bench-audit bench-content bench-quick soak-evidence corpus build fmt clean setup toolchain

help: ## Show this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: build ## A short story: calls allowed, denied, held for a person and redacted, and proof of it
	@tests/setup.sh demo
	@$(PYTHON) demo/run.py

up: build ## The demo's set-up, kept running for your own MCP client (Ctrl-C ends it)
	@tests/setup.sh demo
	@$(PYTHON) demo/up.py

test: check unit policy-test e2e ## Everything: formatting, lints, licences, unit, policy and end-to-end tests
	@echo "make test: all parts passed"

check: toolchain $(DENY) ## Formatting, clippy with warnings denied, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p interdict-filter --target wasm32-wasip1 --locked -- -D warnings
	$(DENY) --all-features check bans licenses sources

unit: build setup ## Rust tests: unit, property, corpus, decision vectors
	INTERDICT_WASM=$(abspath $(WASM)) INTERDICT_OPA=$(abspath $(OPA)) cargo test --workspace --locked --no-fail-fast

policy-test: build ## The Rego tests of the default bundle, with coverage
	$(SERVER) policy test policies

e2e: build setup ## Real Envoy, real MCP servers and clients
	$(PYTHON) -m pytest tests -n 2 --dist loadfile -q

bench: build ## Envoy with and without Interdict, side by side, into bench/results/
	@tests/setup.sh demo
	cargo run --release --locked -p interdict-bench
	cargo run --release --locked -p interdict-bench -- audit
	$(BUILD_SCAN)
	cargo run --release --locked -p interdict-bench -- content
	cargo run --release --locked -p interdict-bench -- quote

bench-audit: build ## Of these only what recording, verification and replay cost, into bench/results/audit.json
	@tests/setup.sh demo
	cargo run --release --locked -p interdict-bench -- audit

bench-content: build ## Of these only what looking into content costs, into bench/results/content.json
	@tests/setup.sh demo
	$(BUILD_SCAN)
	cargo run --release --locked -p interdict-bench -- content

bench-quick: build ## All of it in a minute, rough, into target/bench-quick
	@tests/setup.sh demo
	cargo run --release --locked -p interdict-bench -- --quick --out target/bench-quick
	cargo run --release --locked -p interdict-bench -- audit --quick --out target/bench-quick
	$(BUILD_SCAN)
	cargo run --release --locked -p interdict-bench -- content --quick --out target/bench-quick

soak-evidence: build setup ## 100,000 decisions, the server killed 50 times meanwhile, into bench/results/soak-evidence.json
	cd tests && ../$(PYTHON) -m soak.kill9

corpus: toolchain ## Precision and recall of the content detectors on public corpora, into bench/results/corpus.json
	@tests/setup.sh all
	@tests/corpus_eval/setup.sh
	cargo build --release --locked -p interdict-content --example judge
	cd tests && PYTHONHASHSEED=0 ../$(CACHE)/venv-corpus/bin/python -m corpus_eval \
	  --judge ../target/release/examples/judge --out ../bench/results/corpus.json

build: toolchain ## The server, the verifier and the Wasm filter, optimised
	cargo build --release --locked -p authz-server --bin interdict
	cargo build --release --locked -p interdict-verify
	cargo build --profile wasm --target wasm32-wasip1 --locked -p interdict-filter

toolchain: # What rust-toolchain.toml names, also where rustup does not install it by itself
	@rustup target list --installed | grep -q wasm32-wasip1 || rustup target add wasm32-wasip1

setup: ## Envoy 1.36 to 1.40, MCP SDKs and servers, under .cache/
	@tests/setup.sh all

fmt: ## Format the Rust code
	cargo fmt --all

clean: ## Remove what was built and installed
	rm -rf target $(CACHE)

$(DENY):
	cargo install cargo-deny --version $(DENY_VERSION) --locked --root $(CACHE)/tools
