# ttynvt-swift: `make demo` shows it, `make test` proves it, `make install` installs it.

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= .build
BINARY = $(BUILD)/release/ttynvt-swift
BENCHMARKS = $(BUILD)/benchmarks

UNIT_DIR ?= $(PREFIX)/lib/systemd/system
UDEV_DIR ?= $(PREFIX)/lib/udev/rules.d

# Debian packages: to build, to run in the test guest, and the real clients and servers of the tests.
BUILD_PACKAGES = libfuse3-dev libsystemd-dev pkg-config gcc g++ libc6-dev make
GUEST_PACKAGES = user-mode-linux kmod iproute2 procps util-linux python3 python3-serial systemd-sysv udev dbus \
	avahi-daemon e2fsprogs
TEST_PACKAGES = ser2net socat picocom minicom shellcheck systemd avahi-utils

# A static Swift runtime and C++ library, at a fixed address and without symbols to export: what starts fastest, and
# what adds least memory for each further port.
STATIC_LIBRARIES = $(CURDIR)/$(BUILD)/static-libraries
RELEASE = -c release --static-swift-stdlib --product ttynvt-swift --scratch-path $(BUILD) \
	-Xswiftc -L$(STATIC_LIBRARIES) -Xswiftc -Xclang-linker -Xswiftc -static-libgcc \
	-Xlinker -no-pie -Xlinker --gc-sections -Xlinker --no-export-dynamic

.PHONY: help deps build demo test check format bench guest install uninstall clean

help:
	@echo "make demo     build, then show one port at work on a real kernel"
	@echo "make test     build, then run all tests"
	@echo "make check    formatting, lint, dependencies between targets, warnings as errors"
	@echo "make bench    figures beside a C reference"
	@echo "make build    the program: $(BINARY)"
	@echo "make install  to PREFIX=$(PREFIX), below DESTDIR; make uninstall takes it away"
	@echo "make guest RUN='COMMAND'  runs a command where there is a real /dev/cuse"

# Installs what is missing, and says so.
deps:
	@missing=""; for package in $(BUILD_PACKAGES) $(GUEST_PACKAGES) $(TEST_PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q "ok installed" || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	    echo "installing with apt:$$missing"; \
	    $(if $(filter 0,$(shell id -u)),,sudo) apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive $(if $(filter 0,$(shell id -u)),,sudo) apt-get install -y -qq \
	        --no-install-recommends $$missing >/dev/null; \
	fi
	@command -v swift >/dev/null || { echo "swift is not installed: see swift.org/install" >&2; exit 1; }

build: deps
	@mkdir -p $(STATIC_LIBRARIES)
	@ln -sf "$$(gcc -print-file-name=libstdc++.a)" $(STATIC_LIBRARIES)/
	@echo "building $(BINARY)"
	@swift build $(RELEASE) >$(BUILD)/build.log 2>&1 || { cat $(BUILD)/build.log >&2; exit 1; }
	@strip -o $(BINARY).stripped $(BINARY)

demo: build
	@Tests/Guest/run --timeout 120 Tests/Demo/run $(BINARY).stripped

test: build
	@Tests/run $(BINARY).stripped

check: deps
	@Tests/check

format:
	swift-format format --in-place --parallel --recursive Sources Tests Package.swift

bench: build
	@$(MAKE) --silent -C Tests/Benchmarks OUT=$(CURDIR)/$(BENCHMARKS)
	@Tests/Guest/run --timeout 1200 Tests/Benchmarks/bench.sh $(BENCHMARKS) $(BINARY).stripped

guest:
	@Tests/Guest/run sh -c '$(RUN)'

install:
	@test -f $(BINARY) || { echo "$(BINARY) is not there: make build" >&2; exit 1; }
	install -D -s -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/ttynvt-swift
	install -d $(DESTDIR)$(UNIT_DIR)
	sed 's,@BINDIR@,$(PREFIX)/bin,' systemd/ttynvt@.service >$(DESTDIR)$(UNIT_DIR)/ttynvt@.service
	install -D -m 0644 udev/60-ttynvt.rules $(DESTDIR)$(UDEV_DIR)/60-ttynvt.rules

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ttynvt-swift $(DESTDIR)$(UNIT_DIR)/ttynvt@.service \
	    $(DESTDIR)$(UDEV_DIR)/60-ttynvt.rules

clean:
	rm -rf .build .build-*
