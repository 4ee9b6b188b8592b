# The two commands that matter: make demo, make test. Both do all their own set-up, on a machine with Go and Node.
GO      ?= go
BACPAC  ?= testdata/bacpacs/adventureworkslt-2025.bacpac
FUZZ    ?= 10s
AZURITE := standin/azurite/node_modules/.package-lock.json
PAGE    := e2e/page/node_modules/.package-lock.json
AZCOPY  := bench/azcopy/node_modules/.package-lock.json

APP     ?= .build/app
IMAGE   ?= bacvault

.PHONY: demo up test chromium soak bench build package clean lint fuzz image check-image release infra-check lint-image

# Backup, attack, restore, drill, promotion and watch of BACPAC against a local Azure; ends 0 only if all of it held.
demo: build
	@exec .build/standin demo --bacpac '$(BACPAC)'

# The same local Azure, left running until Ctrl-C.
up: build
	@exec .build/standin up --bacpac '$(BACPAC)'

test: $(AZURITE) $(PAGE) chromium lint
	$(GO) test -race -shuffle=on -parallel 4 -timeout 20m ./...

lint:
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "gofmt: $$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

build: $(AZURITE) package
	$(GO) build -o .build/standin ./standin
	$(GO) build -o .build/bacvault ./cmd/bacvault

# The Functions host scans only direct children of its script root, so each function's folder lies beside host.json.
package:
	@rm -rf '$(APP)' && mkdir -p '$(APP)'
	CGO_ENABLED=0 $(GO) build -trimpath -o '$(APP)/handler' ./handler
	@cp host.json '$(APP)/' && cp -r functions/. '$(APP)/'

# Needs Docker with buildx. IMAGE is the tag; BUILDX takes more arguments, such as --push.
image:
	@GO='$(GO)' tools/image '$(IMAGE)' $(BUILDX)

check-image:
	@tools/check-image '$(IMAGE)'

# The Dockerfile, read by BuildKit's own front end; needs neither Docker nor a registry. The linter is a module of its own, and
# BuildKit may ask for a later Go than ours, which auto lets the go command fetch.
lint-image:
	@command -v shellcheck >/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -q -y --no-install-recommends shellcheck; } || \
	  { echo 'There is no shellcheck, and it could not be installed: apt-get install shellcheck'; exit 1; }
	@export GOTOOLCHAIN=auto && set -ex && $(GO) -C tools/dockerfile-lint vet . && $(GO) -C tools/dockerfile-lint test -count=1 . && $(GO) -C tools/dockerfile-lint run . ../..

# Static binaries, the packaged app as a zip, and their checksums, from a clean tree at the tag: make release VERSION=v0.1.0
release:
	@GO='$(GO)' tools/release '$(VERSION)'

# The Terraform in infra/, with the real provider and without Azure. tools/infra-check says what it takes and what it builds.
infra-check:
	@GO='$(GO)' tools/infra-check

$(AZURITE): standin/azurite/package-lock.json
	cd standin/azurite && npm ci --no-audit --no-fund
	@touch $@

$(PAGE): e2e/page/package-lock.json
	cd e2e/page && npm ci --no-audit --no-fund
	@touch $@

# The status page is tested in a real browser. Without one the test fails; it is never skipped.
chromium:
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core; } || \
	  { echo 'There is no Chromium, and it could not be installed: apt-get install chromium'; exit 1; }

# What takes longer than a test should: sweeps that kill the handler at every stage, fuzzing, large archives.
soak: $(AZURITE) fuzz
	$(GO) test -race -tags soak -timeout 30m -run 'Killed|EveryRight|Large' -count=1 ./e2e

fuzz:
	@set -e; n=0; for pkg in $$($(GO) list ./...); do \
	  list=$$($(GO) test -list '^Fuzz' $$pkg); \
	  for f in $$(printf '%s\n' "$$list" | sed -n '/^Fuzz/p'); do \
	    echo "fuzz $$pkg $$f $(FUZZ)"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZ) -fuzzminimizetime 10x $$pkg; n=$$((n+1)); \
	  done; \
	done; echo "$$n fuzz targets"; [ "$$n" -gt 0 ]

bench: $(AZCOPY) build
	@ldconfig -p | grep -q libsecret-1 || apt-get install -y libsecret-1-0
	@command -v unzip >/dev/null || apt-get install -y unzip
	$(GO) build -o .build/subject ./bench/subject
	$(GO) build -o .build/bench ./bench
	@exec .build/bench $(BENCH)

$(AZCOPY): bench/azcopy/package-lock.json
	cd bench/azcopy && npm ci --no-audit --no-fund
	chmod +x bench/azcopy/node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64
	@touch $@

clean:
	rm -rf .build
