# The one list of commands; CI and README call these. `make` alone prints it: each target's line is the comment behind it.

# Where cargo builds, and where everything else that is built goes beside it.
TARGET  := $(abspath $(or $(CARGO_TARGET_DIR),target))
PROFILE ?= debug
BIN     := $(TARGET)/$(PROFILE)
STATE   ?= .lifeboat
# What the shell scripts below need to know.
export LIFEBOAT_TARGET := $(TARGET)
export LIFEBOAT_GUESTS := $(TARGET)/guests
export LIFEBOAT_RESCUE_IMAGES := $(TARGET)/rescue-images
# Debian keeps mke2fs, sfdisk and depmod off an ordinary user's path.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

RELEASE := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
export REGISTRY VERSION PUSH KIND PLATFORMS BUILDER NODE BASE
.DEFAULT_GOAL := help
.PHONY: help deps build rescue-image rescue-image-std guests tiny-guest demo up down test fmt lint laws released deny e2e bench bench-story bench-region bench-host bench-climc images deploy clean bench-boot test-boot fuzz test-contract web test-browser screenshots chaos soak test-corpus test-deploy test-images test-deb test-units deb image-region image-host image-baremetal-agent image-climc deploy-region deploy-host deploy-baremetal-agent

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '  make %-16s %s\n' "$$name" "$$what"; done

deps: ## check the Rust toolchain and install what is missing from the distribution
	@scripts/deps.sh

build: ## all programs, into target/debug (PROFILE=release: target/release)
	@cargo build --workspace --bins $(if $(filter release,$(PROFILE)),--release)

web: deps ## the web console: packages, types, unit tests, build; then `make build` embeds it (needs Node 20)
	@scripts/web.sh check

rescue-image: deps ## the rescue system `small`: kernel, initramfs, signed manifest
	@scripts/built.sh rescue-image

rescue-image-std: deps ## the rescue system `std`: generic kernel, LVM, RAID, LUKS, btrfs, ntfs, testdisk... (a minute; 150 MB the first time)
	@scripts/built.sh rescue-image-std

tiny-guest: deps
	@scripts/built.sh tiny

guests: deps ## disks of the guests that demo and tests boot: tiny and Debian
	@scripts/built.sh tiny debian

demo: deps build ## a real server breaks, is rescued and boots again, with a time beside each line
	@scripts/built.sh rescue-image $(or $(GUEST),debian)
	@$(BIN)/lifeboat demo --guest $(or $(GUEST),debian) --story $(or $(STORY),all)

up: deps build ## start the stack and leave it running; prints URL, credentials and what to try
	@scripts/built.sh rescue-image tiny
	@$(BIN)/lifeboat up --state $(STATE)

down: ## end it
	@$(BIN)/lifeboat down --state $(STATE)

test: deps ## formatting, lints, build and every test; what CI runs
	@scripts/test.sh

fmt: ## format
	@cargo fmt --all

lint: ## formatting and clippy, warnings are errors
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings

laws: ## which crate may use which, and what is never linked
	@cargo test --quiet -p e2e --test laws

released: ## write down what release VERSION=1.2.3 promises its neighbours (tests/released)
	@test -n "$(VERSION)" || { echo "make released VERSION=1.2.3" >&2; exit 1; }
	@mkdir -p tests/released/$(VERSION)
	@RELEASED=$(VERSION) cargo test --quiet -p e2e --test compatible

deny: ## cargo-deny: bans, licences, sources, and advisories where their database is at hand (needs cargo-deny); npm audit where its registry answers
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is not installed: cargo install cargo-deny --locked"; exit 1; }
	@cargo deny --offline check bans licenses sources
	@if ls -d $${CARGO_HOME:-$$HOME/.cargo}/advisory-db* >/dev/null 2>&1; then cargo deny --offline check advisories; \
	  else echo "SKIPPED: advisories: their database is not here (once, with a network: cargo deny fetch)"; fi
	@cd crates/console/web && if npm audit --omit=dev --audit-level=high >$(TARGET)/npm-audit.log 2>&1; then echo "npm audit: nothing known"; \
	  elif grep -q '^found\|vulnerabilit' $(TARGET)/npm-audit.log; then cat $(TARGET)/npm-audit.log; exit 1; \
	  else echo "SKIPPED: npm audit: $$(grep -m 1 error $(TARGET)/npm-audit.log || head -n 1 $(TARGET)/npm-audit.log)"; fi

e2e: deps build ## the stories across processes, with real QEMU
	@scripts/built.sh rescue-image tiny
	@cargo test -p e2e -- --nocapture

bench: bench-story bench-boot bench-region bench-host bench-climc ## all measurements

bench-story: deps ## a rescue by Lifeboat against a bare shell script with QEMU; writes target/reports/story.json
	@$(MAKE) --no-print-directory build PROFILE=release
	@scripts/built.sh rescue-image tiny
	@python3 scripts/bench/story.py $(TARGET)/release $(TARGET)/guests $(TARGET)/rescue-images $(TARGET)/reports/story.json $(RUNS)

bench-region: deps ## tasks beside other engines, accept latency, a storm, lists, memory; writes target/reports/region.json (QUICK=1: small numbers)
	@$(MAKE) --no-print-directory build PROFILE=release
	@$(TARGET)/release/bench-region --region $(TARGET)/release/region --peers $(TARGET)/bench-peers --scripts scripts/bench/region --report $(TARGET)/reports/region.json $(if $(QUICK),--quick)

bench-host: deps ## the host agent's own time in a rescue, memory, downloads beside curl; writes target/reports/host.json (QUICK=1: small numbers)
	@$(MAKE) --no-print-directory build PROFILE=release
	@scripts/built.sh rescue-image
	@$(TARGET)/release/bench-host --bin $(TARGET)/release --image $(LIFEBOAT_RESCUE_IMAGES)/images/small --image-key $(LIFEBOAT_RESCUE_IMAGES)/keys/development.pub --report $(TARGET)/reports/host.json $(if $(QUICK),--quick)

bench-climc: deps ## how long commands of climc take from start to end, beside /bin/true; writes target/reports/climc.json (RUNS=200)
	@cargo build --quiet --release -p climc
	@python3 scripts/bench/climc.py $(TARGET)/release/climc $(TARGET)/reports/climc.json $(RUNS)

bench-boot: deps ## boot files beside tftpd-hpa, atftpd, dnsmasq, tftpd and nginx (root; an hour); writes target/reports/boot.json
	@scripts/bench/boot-peers.sh
	@cargo build --quiet --release --workspace --bins --example boot-load
	@python3 scripts/bench/boot.py $(TARGET)/release $(TARGET)/reports/boot.json $(RUNS)

test-contract: deps ## a live region against its OpenAPI document, by schemathesis from PyPI (EXAMPLES=N a call, at most SECONDS_MAX=240)
	@scripts/contract.sh

test-browser: deps ## the web console in Debian's Chromium, against a whole stack with real QEMU
	@scripts/web.sh build
	@$(MAKE) --no-print-directory build
	@scripts/built.sh rescue-image tiny
	@scripts/web.sh browser

screenshots: deps ## pictures of each page of the web console, light and dark, in both languages, into docs/screenshots
	@scripts/web.sh build
	@$(MAKE) --no-print-directory build
	@scripts/built.sh rescue-image tiny
	@SCREENSHOTS=1 scripts/web.sh browser

test-boot: deps rescue-image ## boot files alone: loss, other clients, network boot, a minute of fuzzing each
	@LIFEBOAT_FUZZ_SECONDS=60 cargo test --workspace --test netboot --test loss --test clients --test relay --test fuzz_short

chaos: deps build ## some 500 faults, at random and at each stage, with real QEMU; are the promises kept? (root, 40 minutes; SEED=N FAULTS=N MINUTES=N KEEP=DIR); writes target/reports/chaos.json
	@scripts/built.sh rescue-image tiny
	@$(BIN)/chaos --target $(TARGET) --report $(TARGET)/reports/chaos.json $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(KEEP),--keep $(KEEP))

soak: deps ## region for an hour with 1,000 simulated hosts and 20,000 servers: does anything grow? (MINUTES=60); writes target/reports/soak.json
	@$(MAKE) --no-print-directory build PROFILE=release
	@$(TARGET)/release/bench-region --region $(TARGET)/release/region --report $(TARGET)/reports/soak.json soak --minutes $(or $(MINUTES),60)

test-corpus: deps build ## guests broken in named ways: what the diagnosis finds, how many come back by one command; writes target/reports/corpus.json (GUEST=uefi, NAMES="tiny-fstab ...", JOBS=2, ALONE=1: without the service)
	@scripts/built.sh rescue-image rescue-image-std $(or $(GUEST),tiny debian uefi)
	@python3 tests/broken-guests/corpus.py --images $(LIFEBOAT_RESCUE_IMAGES)/images --guests $(LIFEBOAT_GUESTS) $(if $(ALONE),,--through-service $(BIN)) $(addprefix --guest ,$(GUEST)) --jobs $(or $(JOBS),2) --report $(TARGET)/reports/corpus.json $(NAMES)

fuzz: ## each fuzz target under libFuzzer for a minute (SECONDS_EACH=N; needs cargo-fuzz); what it finds stays in target/fuzz
	@cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is not installed: cargo install cargo-fuzz --locked"; exit 1; }
	@cd fuzz && for target in $$(cargo fuzz list); do \
	    mkdir -p $(TARGET)/fuzz/corpus/$$target && \
	    RUSTC_BOOTSTRAP=1 cargo fuzz run --target-dir $(TARGET)/fuzz $$target $(TARGET)/fuzz/corpus/$$target seeds/$$target -- -max_total_time=$(or $(SECONDS_EACH),60) || exit 1; \
	done

images: rescue-image rescue-image-std ## container images of all services: REGISTRY= VERSION= PUSH=yes PLATFORMS=linux/amd64,linux/arm64 (scripts/images.sh says more)
	@scripts/images.sh

image-region image-host image-baremetal-agent image-climc: image-%: rescue-image rescue-image-std
	@scripts/images.sh $*

deploy: ## a kustomize overlay into the cluster that kubectl points to: OVERLAY=demo REGISTRY= VERSION=; waits until all runs
	@VERSION=$(or $(VERSION),$(RELEASE)) python3 scripts/deploy/rollout.py apply $(or $(OVERLAY),demo)

# A developer's round trip: build, push (REGISTRY=) or load (KIND=), set the image on the right object, wait, go back if it does not come up.
# Without VERSION each call has one of its own.
deploy-region deploy-host deploy-baremetal-agent: deploy-%: rescue-image rescue-image-std
	@version=$(or $(VERSION),$(RELEASE)-dev.$$(date -u +%Y%m%d%H%M%S)) && \
	  VERSION=$$version PUSH=$(if $(REGISTRY),yes) scripts/images.sh $* && VERSION=$$version python3 scripts/deploy/rollout.py image $*

test-deploy: ## manifests, images' configuration, rolling out, units, alerts; with KUBECONFIG also a cluster
	@scripts/test-deploy.sh

test-images: rescue-image rescue-image-std ## build the images by buildah without a registry, and start what is in them (root; compiles everything, cold some 10 minutes)
	@scripts/test-images.sh

deb: deps ## Debian packages of region, host, baremetal-agent and climc, into target/debian (needs cargo-deb)
	@$(MAKE) --no-print-directory build PROFILE=release
	@NO_BUILD=yes scripts/deb.sh

test-deb: build ## the packages installed, upgraded, removed and purged in a Debian of their own, and their units (root; needs cargo-deb)
	@BIN=$(BIN) scripts/test-deb.sh

test-units: build ## Postgres, region, host and agent under their units, in a systemd of their own, and a rescue (root; needs cargo-deb; five minutes)
	@scripts/built.sh rescue-image tiny
	@BIN=$(BIN) scripts/test-units.sh

clean: ## end what runs and remove all that was built
	@[ ! -x $(BIN)/lifeboat ] || [ ! -d $(STATE) ] || $(BIN)/lifeboat down --state $(STATE)
	@rm -rf $(TARGET)/demo $(TARGET)/guests $(TARGET)/rescue-images $(TARGET)/reports $(STATE)
	@cargo clean
