# Pitot's developer commands. "make help" lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# One setting for build and test, so that they share the build cache. Only the
# race detector needs cgo.
export CGO_ENABLED := 0

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/pitot-autoscaling/pitot/pkg/app.version=$(VERSION)

# What the tests run beside Pitot, from Debian.
DEBIAN_PACKAGES := buildah celery chromium conntrack containerd containernetworking-plugins curl debootstrap gunicorn iproute2 ipset iptables jq \
	nftables prometheus-redis-exporter python3-django-prometheus python3-fastapi python3-flask python3-ipykernel python3-matplotlib \
	python3-nbclient python3-pandas python3-prometheus-client python3-redis redis-server runc shellcheck uvicorn
# What only test-long runs: Erlang comes with it.
LONG_DEBIAN_PACKAGES := rabbitmq-server

# Every fuzz target, as package:name.
FUZZ_TARGETS = $(shell grep -rEo '^func Fuzz[A-Za-z0-9_]+' --include='*_test.go' pkg | sed -E 's|^(.*)/[^/]+:func (Fuzz.*)|\1:\2|')
FUZZTIME ?= 1m

##@ Use

.PHONY: demo
demo: build ## See Pitot work on this machine alone: make demo ARGS="--for 30s"
	bin/pitot demo $(ARGS)

.PHONY: build
build: ## Build bin/pitot
	go build -ldflags '$(LDFLAGS)' -o bin/pitot ./cmd/pitot

.PHONY: image
image: ## Build the image into bin/image, for amd64 and arm64 (root; needs buildah and jq)
	VERSION='$(VERSION)' hack/image.sh bin/image

.PHONY: release
release: ## Make everything that a release publishes into dist, and publish nothing: make release VERSION=v1.2.3
	VERSION='$(VERSION)' hack/release.sh dist

.PHONY: site
site: ## Build the documentation site into site (needs Node 18 or later)
	cd hack/site && npm ci --ignore-scripts --no-audit --no-fund && npm run build

##@ Test

.PHONY: test
test: unit race lint integration charts browser image-test release-test site-test conformance-quick e2e ## Everything: what CI runs

.PHONY: unit
unit: ## The fast part: unit tests
	go test ./...

.PHONY: race
race: ## The unit tests under the race detector
	CGO_ENABLED=1 go test -race ./...

.PHONY: lint
lint: deps ## golangci-lint, shellcheck, tidy module files
	$$(hack/testbin.sh tools)/golangci-lint run ./...
	cd test/e2e && $$(../../hack/testbin.sh tools)/golangci-lint run --config ../../.golangci.yml ./...
	cd test/conformance && GOFLAGS=-trimpath $$(../../hack/testbin.sh tools)/golangci-lint run --config ../../.golangci.yml ./...
	cd test/conformance/manifests && GOFLAGS=-trimpath $$(../../../hack/testbin.sh tools)/golangci-lint run --config ../../../.golangci.yml ./...
	cd test/browser && $$(../../hack/testbin.sh tools)/golangci-lint run --config ../../.golangci.yml ./...
	cd test/charts && $$(../../hack/testbin.sh tools)/golangci-lint run --config ../../.golangci.yml ./...
	cd test/image && $$(../../hack/testbin.sh tools)/golangci-lint run --config ../../.golangci.yml ./...
	cd test/site && $$(../../hack/testbin.sh tools)/golangci-lint run --config ../../.golangci.yml ./...
	cd test/release && $$(../../hack/testbin.sh tools)/golangci-lint run --config ../../.golangci.yml ./...
	cd hack/sbom && $$(../../hack/testbin.sh tools)/golangci-lint run --config ../../.golangci.yml ./...
	shellcheck .ci/run hack/*.sh
	go mod tidy -diff
	cd test/e2e && go mod tidy -diff
	for module in plane helm helm3; do (cd hack/tools/$$module && go mod tidy -diff) || exit 1; done
	cd hack/tools/plane && go mod tidy -modfile=1.36.mod -diff
	cd test/browser && go mod tidy -diff
	cd test/charts && go mod tidy -diff
	cd test/image && go mod tidy -diff
	cd test/release && go mod tidy -diff
	cd test/site && go mod tidy -diff
	cd hack/roots && go mod tidy -diff
	cd hack/sbom && go mod tidy -diff
	cd test/conformance && go mod tidy -diff
	cd test/conformance/manifests && go mod tidy -diff
	cd test/conformance && for mod in versions/*.mod; do go mod tidy -modfile $$mod -diff || exit 1; done

.PHONY: integration
integration: ## Against a real Prometheus: queries, alerts, the dashboard
	hack/testbin.sh prometheus >/dev/null
	go test -tags integration -count=1 ./pkg/internal/promapi
	go test -tags integration -count=1 -timeout 20m -run 'TestAlertsFire|TestCheckAgainst' -v ./pkg/app

.PHONY: charts
charts: ## The Helm chart and deploy/, rendered and looked at; -update writes what is made of them
	cd test/charts && go test -count=1 ./...

.PHONY: browser
browser: deps ## The page of a simulation, opened in headless Chromium
	cd test/browser && go test -count=1 ./...

.PHONY: image-test
image-test: deps ## The image: who runs in it, what is in it, the same bytes again
	cd test/image && go test -count=1 -v ./...

.PHONY: release-test
release-test: deps ## The workflows (valid, pinned, least rights), and the bills of materials
	cd test/release && go test -count=1 ./...
	cd hack/sbom && go test -count=1 ./...

.PHONY: site-test
site-test: deps site ## Links, anchors and YAML of the documentation; its site in headless Chromium
	cd test/site && go test -count=1 ./...

.PHONY: e2e
e2e: deps ## The cluster tests: a real control plane, Prometheus, Redis and Python pods; the chart on a real node
	hack/testbin.sh prometheus >/dev/null
	hack/testbin.sh plane >/dev/null
	hack/testbin.sh node >/dev/null
	hack/testbin.sh helm >/dev/null
	cd test/e2e && go test -count=1 -p 1 -timeout 60m ./...

# The flags of hack/testbin.sh, so that Kubernetes is compiled once.
CONFORMANCE = cd test/conformance && go test -trimpath -count=1 -timeout 60m
MANIFESTS = cd test/conformance/manifests && go test -trimpath -count=1

.PHONY: conformance
conformance: ## pkg/hpa beside the real HPA controller: two million syncs, deliberate errors, older versions
	$(CONFORMANCE) -v -steps 2000000 -mutants -docs ../../docs/conformance.md .
	for version in test/conformance/versions/*.mod; do \
		(export GOFLAGS=-modfile=versions/$${version##*/} && $(CONFORMANCE) -v -steps 200000 -docs ../../docs/conformance.md .); \
	done
	$(MANIFESTS) -v .

.PHONY: conformance-quick
conformance-quick: ## The same over a hundred thousand syncs
	$(CONFORMANCE) .
	$(MANIFESTS) .

.PHONY: test-long
test-long: test fuzz mutants conformance deps-long ## Everything, and what takes longer: fuzzing, a million reads under faults, mutants, a real HPA for 20 minutes
	PITOT_TEST_ANSWERS=1000000 go test -count=1 -timeout 30m -run TestEveryNumberWasTrue ./pkg/internal/promtest
	cd test/release && PITOT_TEST_RELEASE=1 go test -count=1 -v -timeout 60m -run TestRelease .
	cd test/e2e && PITOT_TEST_FIDELITY=20m go test -count=1 -v -timeout 40m -run TestFidelity .
	cd test/e2e && PITOT_TEST_ROTATION=5m PITOT_TEST_RESTARTS=20 go test -count=1 -v -timeout 40m -run 'TestCertificates|TestRestarts' .
	cd test/e2e && PITOT_TEST_WALK=1 go test -count=1 -v -timeout 30m -run TestWalk .
	cd test/e2e && PITOT_TEST_RABBITMQ=1 go test -count=1 -v -timeout 30m -run TestRabbitMQ .
	hack/testbin.sh plane-1.36 >/dev/null
	cd test/e2e && PITOT_TEST_PLANE=plane-1.36 go test -count=1 -v -timeout 30m -run 'TestCluster|TestRights|TestDoctor' .
	hack/testbin.sh helm3 >/dev/null
	cd test/e2e && PITOT_TEST_HELM=helm3 PITOT_TEST_REAPPLY=10m go test -count=1 -v -timeout 60m ./install

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME (default 1m)
	for target in $(FUZZ_TARGETS); do \
		go test -run '^$$' -fuzz "^$${target#*:}$$" -fuzztime $(FUZZTIME) "./$${target%%:*}"; \
	done

.PHONY: mutants
mutants: ## Deliberate errors on the way of a value: each must fail a test
	go test -tags mutants -count=1 -timeout 60m -run TestEveryMutantIsCaught -v ./pkg/internal/promtest

.PHONY: bench
bench: ## Benchmarks, best of 10, each beside its named baseline
	uptime
	go test -run '^$$' -bench . -benchmem -count 10 ./... | awk -f hack/best.awk
	uptime

.PHONY: bench-accuracy
bench-accuracy: ## The simulator's formulas beside its request-by-request referee, into docs/accuracy.md (15 min)
	go test -tags accuracy -count=1 -timeout 60m -v -run TestAccuracy ./pkg/workload/exact -update

##@ Prepare

.PHONY: deps
deps: ## Install what the tests need from Debian, if it is missing (root)
	@if ! dpkg-query -W -f '$${Status}\n' $(DEBIAN_PACKAGES) 2>/dev/null | awk '!/install ok installed/{bad=1} END{exit bad || NR != $(words $(DEBIAN_PACKAGES))}'; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(DEBIAN_PACKAGES); \
	fi
	@command -v npm >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends nodejs npm

# The test starts a broker of its own: the package's service is masked before it is there, and never runs.
.PHONY: deps-long
deps-long: deps ## Install what test-long needs beside that (root)
	@if ! dpkg-query -W -f '$${Status}\n' $(LONG_DEBIAN_PACKAGES) 2>/dev/null | awk '!/install ok installed/{bad=1} END{exit bad || NR != $(words $(LONG_DEBIAN_PACKAGES))}'; then \
		if [ -d /run/systemd/system ]; then systemctl mask rabbitmq-server.service; fi; \
		apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(LONG_DEBIAN_PACKAGES); \
	fi

.PHONY: testbin
testbin: ## Build the programs that tests run beside Pitot into the cache
	hack/testbin.sh tools
	hack/testbin.sh prometheus
	hack/testbin.sh plane
	hack/testbin.sh node
	hack/testbin.sh helm
	hack/testbin.sh helm3

.PHONY: fmt
fmt: ## Format the code
	$$(hack/testbin.sh tools)/golangci-lint fmt ./...

.PHONY: clean
clean: ## Remove what the build made here; the cache of test programs stays
	rm -rf bin dist site

.PHONY: help
help: ## Print this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
