# ttynvt-swift: `make demo` shows it, `make test` proves it, `make install` installs it.

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= .build
BINARY = $(BUILD)/release/ttynvt-swift
BENCHMARKS = $(BUILD)/benchmarks
CONFORMANCE = $(BUILD)/conformance

# Where things go below PREFIX; the Debian package has some elsewhere.
UNIT_DIR ?= $(PREFIX)/lib/systemd/system
UDEV_DIR ?= $(PREFIX)/lib/udev/rules.d
SYSUSERS_DIR ?= $(PREFIX)/lib/sysusers.d
MODULES_DIR ?= $(PREFIX)/lib/modules-load.d
MAN_DIR ?= $(PREFIX)/share/man
BASH_DIR ?= $(PREFIX)/share/bash-completion/completions
ZSH_DIR ?= $(PREFIX)/share/zsh/site-functions
FISH_DIR ?= $(PREFIX)/share/fish/vendor_completions.d
UNITS = ttynvt@.service ttynvt-supervisor.service ttynvt-starter.socket ttynvt-starter.service
CONFIGURATION = $(DESTDIR)/etc/ttynvt-swift/ttynvt-swift.conf

# Debian packages: to build, to run in the test guest, the real clients and servers of the tests, and to make a package.
BUILD_PACKAGES = libfuse3-dev libsystemd-dev pkg-config gcc g++ libc6-dev make
GUEST_PACKAGES = user-mode-linux kmod iproute2 procps util-linux python3 python3-serial systemd-sysv udev dbus \
	avahi-daemon e2fsprogs
TEST_PACKAGES = ser2net socat picocom minicom shellcheck systemd avahi-utils man-db zsh fish bash-completion \
	tio screen cu ckermit setserial lrzsz gpsd gpsd-tools python3-gps modemmanager login libmodbus5 \
	python3-can python3-pymodbus python3-serial-asyncio ppp can-utils net-tools iputils-ping gensio-bin
CONFORMANCE_PACKAGES = avrdude gpsd-clients libserialport0 python3-pip golang-go golang-github-albenik-go-serial-dev
DEB_PACKAGES = debhelper dpkg-dev fakeroot

# A static Swift runtime and C++ library, a fixed address and no exported symbols give the fastest start and the least
# memory for each further port. The functions that a start runs stand beside one another, so it touches fewer pages
# (Tests/Benchmarks/startup-order writes their list). Without a run path the program finds its libraries only where the
# system keeps them.
STATIC_LIBRARIES = $(CURDIR)/$(BUILD)/static-libraries
RELEASE = -c release --static-swift-stdlib --disable-local-rpath --product ttynvt-swift --scratch-path $(BUILD) \
	-Xswiftc -L$(STATIC_LIBRARIES) -Xswiftc -Xclang-linker -Xswiftc -static-libgcc \
	-Xlinker -no-pie -Xlinker --gc-sections -Xlinker --no-export-dynamic \
	-Xswiftc -use-ld=lld -Xswiftc -Xfrontend -Xswiftc -function-sections \
	-Xlinker --symbol-ordering-file=$(CURDIR)/Sources/startup-order -Xlinker --no-warn-symbol-ordering

.PHONY: help deps build demo test test-quick conformance test-long fuzz mutants check format bench guest documents \
	install uninstall deb clean

help:
	@echo "make demo     build, then show one port at work on a real kernel"
	@echo "make test     build, then run all tests"
	@echo "make test-quick  build, then run the unit tests and the client programs of one port"
	@echo "make conformance  the numbered list of what a serial port does, each pass or fail, on a real device"
	@echo "make test-long  the supervisor's plan in 100,000 random worlds, as many programs through the kernel's line"
	@echo "              discipline and through ours, a million schedules of one port, network faults that last minutes,"
	@echo "              10 minutes of hostile packets, 200 ports whose supervisor is killed 200 times, 4 GiB through one"
	@echo "              port, and 200 ports at work for 10 minutes"
	@echo "make fuzz     hostile bytes for every parser, SECONDS=600 for each, under AddressSanitizer"
	@echo "make mutants  removes each guard of the connection in turn and names the ones that no test misses"
	@echo "make check    formatting, lint, dependencies between targets, warnings as errors"
	@echo "make bench    figures beside a C reference, socat and gensiot: a table, a CSV and an SVG, in $(BENCHMARKS)"
	@echo "make build    the program: $(BINARY)"
	@echo "make install  to PREFIX=$(PREFIX), below DESTDIR; make uninstall takes it away"
	@echo "make deb      a Debian package, in $(BUILD)/deb"
	@echo "make guest RUN='COMMAND'  runs a command where there is a real /dev/cuse"

# Installs what is missing, and says so.
deps:
	@missing=""; \
	for package in $(BUILD_PACKAGES) $(GUEST_PACKAGES) $(TEST_PACKAGES) $(CONFORMANCE_PACKAGES) $(DEB_PACKAGES); do \
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

test: deb $(CONFORMANCE)/stamp
	@Tests/run $(BINARY).stripped $(BUILD)/deb/*.deb

test-quick: build
	@Tests/run --quick $(BINARY).stripped

conformance: build $(CONFORMANCE)/stamp
	@Tests/Guest/run --timeout 500 Tests/Conformance/run $(BINARY).stripped $(NUMBERS)

# Two clients that are no Debian packages: a Go program over the packaged library, whose directory lacks the version
# that its own import path has, and esptool.
$(CONFORMANCE)/stamp: Tests/Conformance/go_client/main.go | deps
	@echo "building the clients of make conformance"
	@mkdir -p $(CONFORMANCE)/go/src/github.com/albenik/go-serial
	@ln -sfn /usr/share/gocode/src/github.com/albenik/go-serial $(CONFORMANCE)/go/src/github.com/albenik/go-serial/v2
	@cd Tests/Conformance/go_client && GO111MODULE=off GOPATH=$(abspath $(CONFORMANCE))/go:/usr/share/gocode \
	    go build -o $(abspath $(CONFORMANCE))/go-client .
	@/usr/bin/python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	    --target $(CONFORMANCE)/python --upgrade 'esptool<5'
	@touch $@

# Many more of what make test does at random, and the network faults at their full length.
test-long: deb
	TTYNVT_WORLDS=100000 TTYNVT_PROGRAMS=100000 swift test --filter 'randomWorlds|randomPrograms'
	TTYNVT_SCHEDULES=1000000 swift test -c release -Xswiftc -enable-testing --scratch-path .build-long \
	    --filter ScheduleTests
	TTYNVT_LONG=1 Tests/Guest/run --timeout 1800 Tests/Clients/run $(BINARY).stripped window-shut thousand-deaths
	TTYNVT_LONG=1 Tests/System/run $(BUILD)/deb/*.deb a-flood many-ports
	@$(MAKE) --silent -C Tests/Benchmarks OUT=$(CURDIR)/$(BENCHMARKS)
	Tests/Guest/run --timeout 7200 Tests/Endurance/soak $(BINARY).stripped $(BENCHMARKS)/echo_server

# What is found is left in .build-fuzz, and is played again with .build-fuzz/TARGET FILE.
SECONDS ?= 600
JOBS ?= 1
fuzz: deps
	@JOBS=$(JOBS) Tests/Fuzz/run $(SECONDS) $(TARGETS)

# Each condition in the files of the connection is negated, or taken away, and the tests are to fail.
mutants: deps
	@Tests/Mutations/run

check: deps
	@Tests/check

format:
	swift-format format --in-place --parallel --recursive Sources Tests Package.swift

bench: build
	@$(MAKE) --silent -C Tests/Benchmarks OUT=$(CURDIR)/$(BENCHMARKS)
	@rm -rf $(BENCHMARKS)/results
	@mkdir -p $(BENCHMARKS)/results
	@RESULTS=$(BENCHMARKS)/results Tests/Guest/run --timeout 1800 \
	    Tests/Benchmarks/bench.sh $(BENCHMARKS) $(BINARY).stripped; \
	status=$$?; \
	Tests/Benchmarks/draw.py $(BENCHMARKS)/results/*/bench.csv >$(BENCHMARKS)/performance.svg && exit $$status
	@Tests/Guest/run --timeout 500 Tests/Benchmarks/many_ports.py $(BINARY).stripped 200
	@Tests/Guest/run --timeout 1200 Tests/Benchmarks/window.py $(BINARY).stripped

guest:
	@Tests/Guest/run sh -c '$(RUN)'

# Manual pages and completions: what the program says of itself.
documents: $(BUILD)/documents/stamp

$(BUILD)/documents/stamp: $(BINARY) debian/man/generate
	@rm -rf $(@D)
	@mkdir -p $(@D)
	@debian/man/generate $(BINARY) $(@D)
	@for shell in bash zsh fish; do $(BINARY) --generate-completion-script $$shell >$(@D)/completion.$$shell || exit 1; done
	@touch $@

$(BINARY):
	@echo "$(BINARY) is not there: make build" >&2; exit 1

# A configuration that is there already stays.
install: documents
	install -D -s -m 0755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/ttynvt-swift
	install -d $(DESTDIR)$(UNIT_DIR)
	for unit in $(UNITS); do \
	    sed 's,@BINDIR@,$(PREFIX)/bin,' systemd/$$unit >$(DESTDIR)$(UNIT_DIR)/$$unit || exit 1; \
	done
	install -D -m 0644 systemd/ttynvt-swift.sysusers $(DESTDIR)$(SYSUSERS_DIR)/ttynvt-swift.conf
	install -D -m 0644 systemd/ttynvt-swift.modules-load $(DESTDIR)$(MODULES_DIR)/ttynvt-swift.conf
	install -D -m 0644 udev/60-ttynvt-swift.rules $(DESTDIR)$(UDEV_DIR)/60-ttynvt-swift.rules
	install -d $(DESTDIR)$(MAN_DIR)/man1
	install -m 0644 $(BUILD)/documents/*.1 $(DESTDIR)$(MAN_DIR)/man1/
	install -D -m 0644 debian/man/ttynvt-swift.conf.5 $(DESTDIR)$(MAN_DIR)/man5/ttynvt-swift.conf.5
	install -D -m 0644 $(BUILD)/documents/completion.bash $(DESTDIR)$(BASH_DIR)/ttynvt-swift
	install -D -m 0644 $(BUILD)/documents/completion.zsh $(DESTDIR)$(ZSH_DIR)/_ttynvt-swift
	install -D -m 0644 $(BUILD)/documents/completion.fish $(DESTDIR)$(FISH_DIR)/ttynvt-swift.fish
	test -e $(CONFIGURATION) || install -D -m 0644 debian/ttynvt-swift.conf $(CONFIGURATION)

# The configuration stays.
uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/ttynvt-swift
	rm -f $(addprefix $(DESTDIR)$(UNIT_DIR)/,$(UNITS))
	rm -f $(DESTDIR)$(SYSUSERS_DIR)/ttynvt-swift.conf $(DESTDIR)$(MODULES_DIR)/ttynvt-swift.conf
	rm -f $(DESTDIR)$(UDEV_DIR)/60-ttynvt-swift.rules
	rm -f $(DESTDIR)$(MAN_DIR)/man1/ttynvt-swift.1 $(DESTDIR)$(MAN_DIR)/man1/ttynvt-swift-*.1
	rm -f $(DESTDIR)$(MAN_DIR)/man5/ttynvt-swift.conf.5
	rm -f $(DESTDIR)$(BASH_DIR)/ttynvt-swift $(DESTDIR)$(ZSH_DIR)/_ttynvt-swift $(DESTDIR)$(FISH_DIR)/ttynvt-swift.fish

# Debian's tools write beside their source and above it: they get a copy below $(BUILD).
deb: build
	@echo "packing $(BUILD)/deb"
	@rm -rf $(BUILD)/deb
	@mkdir -p $(BUILD)/deb/source
	@cp -a Makefile CHANGELOG.md README.md debian systemd udev $(BUILD)/deb/source/
	@cd $(BUILD)/deb/source && BUILD=$(abspath $(BUILD)) dpkg-buildpackage --build=binary --no-sign \
	    >../build.log 2>&1 || { cat ../build.log >&2; exit 1; }
	@rm -rf $(BUILD)/deb/source
	@ls -l $(BUILD)/deb/*.deb

clean:
	rm -rf .build .build-*
