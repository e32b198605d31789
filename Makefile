# SPDX-License-Identifier: GPL-2.0-or-later
# One non-recursive file; everything it makes is under $(B) (build/, build/san/ for the sanitizer build).
#   make          granule, its helpers and the guest programs      make demo     the main job, from nothing
#   make check    all tests that need no network and no root       make bench    speed, as ratios
#   make deps     install what is missing (Debian 12 and 13)       make install  PREFIX, DESTDIR
#   make check-san, lint, format                                   make fuzz     FUZZ_SECONDS each, with clang
#   B=DIR         another output folder

B ?= build
CC = gcc
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

ifeq ($(shell uname -m),aarch64)
GUEST_CC ?= gcc
else
GUEST_CC ?= aarch64-linux-gnu-gcc
endif

PKGS := yaml-0.1 libxml-2.0 jansson gsl smartcols nettle libarchive libzstd libelf libdw
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wpointer-arith -Wwrite-strings
CPPFLAGS += -D_GNU_SOURCE -Iharness -I. $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
override CFLAGS += -std=gnu11 $(WARN) $(WERROR) $(SAN)
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
GUESTFS_LIBS = $(shell pkg-config --libs libguestfs 2>/dev/null)
VIRT_LIBS = $(shell pkg-config --libs libvirt libvirt-qemu 2>/dev/null)
GUEST_CFLAGS := -std=gnu11 -O2 -g0 $(WARN) $(WERROR) -D_GNU_SOURCE -Iharness -I. -static -pthread

# Mains are apart; every other .c of a room goes into the one archive. What links libvirt or libguestfs stays out of it.
MAINS := harness/cli/granule.c harness/guest/granule-boot.c harness/image/granule-image.c
VIRT_SRC := harness/guest/virt.c
GUESTFS_SRC := harness/image/rootfs-guestfs.c
LIB_SRC := $(filter-out $(MAINS) $(VIRT_SRC) $(GUESTFS_SRC), \
	$(foreach d,base wire stat matrix image guest run store compare explain bisect report cli,$(wildcard harness/$d/*.c)) \
	$(wildcard workloads/*.c workloads/null/workload.c workloads/will-it-scale/*.c workloads/postgresql/*.c workloads/ceph/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
VIRT_OBJ := $(VIRT_SRC:%.c=$(B)/obj/%.o)
GUESTFS_OBJ := $(GUESTFS_SRC:%.c=$(B)/obj/%.o)
TEST_SRC := $(wildcard harness/tests/*-test.c harness/tests/*-fuzz.c workloads/*/*-test.c)
TESTS := $(foreach t,$(TEST_SRC),$(B)/tests/$(notdir $(basename $t)))

TEST_GUEST := $(patsubst harness/%.c,$(B)/%,$(wildcard harness/tests/guest/*.c))

AGENT_SRC := $(wildcard harness/agent/*.c) $(wildcard harness/wire/*.c)
WIS_TESTS := $(notdir $(basename $(wildcard workloads/will-it-scale/tests/*.c)))
GUEST := $(B)/guest/agent $(B)/guest/null/null $(B)/guest/ceph/asok $(B)/guest/ceph/mon-command \
	$(foreach m,processes threads,$(B)/guest/will-it-scale/runner_$m.o \
		$(foreach t,$(WIS_TESTS),$(B)/guest/will-it-scale/$t_$m))

# One source, one object for each of QEMU's plugin interfaces (harness/plugin/qemu.h).
PLUGINS := $(B)/plugin/count-v1.so $(B)/plugin/count-v3.so

.PHONY: all
all: $(B)/granule $(B)/granule-boot $(B)/granule-image $(GUEST) $(PLUGINS) $(B)/page/report.html

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/libgranule.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/granule: $(B)/obj/harness/cli/granule.o $(B)/libgranule.a
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) -o $@

$(B)/granule-boot: $(B)/obj/harness/guest/granule-boot.o $(VIRT_OBJ) $(B)/libgranule.a
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) $(VIRT_LIBS) -o $@

# The one program that needs libguestfs says so by itself.
$(GUESTFS_OBJ): | guestfs-there
.PHONY: guestfs-there
guestfs-there:
	@pkg-config --exists libguestfs || { echo "missing: libguestfs-dev; \`make deps\` installs it" >&2; exit 1; }

$(B)/granule-image: $(B)/obj/harness/image/granule-image.o $(GUESTFS_OBJ) $(B)/libgranule.a
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) $(GUESTFS_LIBS) -o $@

TEST_HELP := $(patsubst %,$(B)/obj/harness/tests/%.o,pipeline synthetic browser)
$(B)/tests/%: $(B)/obj/harness/tests/%.o $(TEST_HELP) $(B)/libgranule.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) -lcmocka -o $@

# A fuzz target without clang: its corpus and repeatable mutations, as a test.
$(B)/tests/%-fuzz: $(B)/obj/harness/tests/%-fuzz.o $(B)/obj/harness/tests/fuzz-main.o $(B)/libgranule.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) -lcmocka -o $@

$(B)/fuzz/%: $(B)/obj/harness/tests/%-fuzz.o $(B)/libgranule.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $^ $(LDLIBS) -o $@

$(B)/bench: $(B)/obj/harness/tests/synthetic.o
$(B)/bench $(B)/bench-diff $(B)/folio-table: $(B)/%: $(B)/obj/harness/tests/%.o $(B)/libgranule.a
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) -o $@

$(B)/plugin/count-v%.so: harness/plugin/count.c harness/plugin/qemu.h harness/wire/code.h harness/wire/marker.h
	@mkdir -p $(@D)
	$(if $(Q),@echo "  PLUGIN  $@")
	$(Q)$(CC) -std=gnu11 -O2 -g0 $(WARN) $(WERROR) -D_GNU_SOURCE -Iharness -DPLUGIN_API=$* -fvisibility=hidden -fPIC -shared $< -o $@

# Guest programs: static arm64, the same bytes from any folder.
$(B)/guest/agent: $(AGENT_SRC) $(wildcard harness/agent/*.h harness/wire/*.h harness/base/err.h)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) $(AGENT_SRC) -o $@ && $(GUEST_STRIP) $@

$(B)/guest/null/null: workloads/null/guest.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) $< -o $@ && $(GUEST_STRIP) $@

# Of a workload's folder guest/. ceph's mon-command loads the guest's own librados, so it cannot be static.
$(B)/guest/ceph/%: workloads/ceph/guest/%.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) $< -o $@ && $(GUEST_STRIP) $@
$(B)/guest/ceph/mon-command: GUEST_CFLAGS := $(filter-out -static,$(GUEST_CFLAGS))

WIS := workloads/will-it-scale
WIS_HEAD := $(wildcard $(WIS)/guest/*.h)
# How they are made is in this file: a tree from before it changed gets them anew.
$(GUEST): Makefile

# Symbols stay on the host, beside the program: `granule explain` names user functions by them.
GUEST_STRIP = $(GUEST_CC:gcc=objcopy) --only-keep-debug $@ $@.sym && $(GUEST_CC:gcc=strip) -s

# Also what tests of a checkout of upstream are linked with, when a run is planned (harness/image/program.c).
WIS_RUNNER := $(WIS)/guest/runner.c $(WIS)/guest/tasks.c
$(B)/guest/will-it-scale/runner_%.o: $(WIS_RUNNER) $(WIS_HEAD)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) $(if $(filter threads,$*),-DTHREADS) -r $(WIS_RUNNER) -o $@

define WIS_RULE
$(B)/guest/will-it-scale/%_$1: $(WIS)/tests/%.c $(B)/guest/will-it-scale/runner_$1.o $(filter-out $(WIS_RUNNER),$(wildcard $(WIS)/guest/*.c)) $(WIS_HEAD)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  GUEST   $$@")
	$$(Q)$$(GUEST_CC) $$(GUEST_CFLAGS) -I$(WIS)/guest -Wl,--wrap=socketpair $$(filter %.c %.o,$$^) -o $$@ && $$(GUEST_STRIP) $$@
endef
$(foreach m,processes threads,$(eval $(call WIS_RULE,$m)))

# What `granule report` fills. Where it cannot be made granule is built without it and says so; `make page` insists.
$(B)/page/report.html: $(wildcard harness/report/page/*) tools/page
	$(Q)tools/page --if-possible $@
.PHONY: page
page:
	$(Q)tools/page $(B)/page/report.html

# For tests only; never installed.
$(B)/tests/guest/%: harness/tests/guest/%.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) $< -o $@ && $(GUEST_STRIP) $@

# With debug information: what explain reads inlined functions from.
$(B)/tests/dwarf/%: harness/tests/dwarf/%.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -g $< -o $@

# ---- Set-up

.PHONY: deps
deps:
	@tools/deps

# What is missing is installed first; the rest runs in a second make, which sees the new libraries.
.PHONY: demo check bench
demo check bench:
	@tools/deps --check 2>/dev/null || tools/deps
	@$(MAKE) --no-print-directory $@-here

# ---- The main job: build, boot 4K and 64K kernels, diff

.PHONY: demo-here
demo-here: all
	@tools/demo $(B)

# ---- Tests

.PHONY: check-here tests
tests: $(TESTS) $(TEST_GUEST) $(B)/tests/dwarf/inlined $(B)/folio-table
check-here: all tests
	@GRANULE_BUILD=$(abspath $(B)) tools/run-tests $(TESTS)

# The same under the address and undefined-behaviour sanitizers, without real guests.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
.PHONY: check-san
check-san:
	@$(MAKE) --no-print-directory B=$(B)/san CFLAGS='-O1 -g' SAN='$(SANITIZE)' all tests
	@GRANULE_BUILD=$(abspath $(B)/san) GRANULE_NO_GUESTS='the sanitizer build runs no real guests' \
		tools/run-tests $(patsubst $(B)/%,$(B)/san/%,$(TESTS))

# With clang's libFuzzer, FUZZ_SECONDS each (tools/fuzz).
FUZZ_SECONDS ?= 600
FUZZERS := $(patsubst harness/tests/%-fuzz.c,%,$(wildcard harness/tests/*-fuzz.c))
.PHONY: fuzz fuzzers
fuzzers: $(FUZZERS:%=$(B)/fuzz/%)
fuzz:
	@tools/deps --check tools/fuzz.list
	@$(MAKE) --no-print-directory B=$(B)/clang CC=clang CFLAGS='-O1 -g' \
		SAN='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer' fuzzers
	@tools/fuzz $(B)/clang/fuzz $(FUZZ_SECONDS) $(FUZZERS)

C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
.PHONY: lint
lint:
	@tools/deps --check tools/lint.list
	@clang-format --dry-run --Werror $(C_FILES)
	cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr --enable=warning,portability \
		--suppressions-list=tools/cppcheck.suppress -D_GNU_SOURCE -Iharness -I. harness workloads

.PHONY: format
format:
	clang-format -i $(C_FILES)

.PHONY: bench-here
bench-here: all $(B)/bench $(B)/bench-diff $(B)/tests/compare-seeds-test $(B)/tests/planted-guest-test
	@tools/bench $(B)

# ---- Installing

PREFIX ?= /usr/local
.PHONY: install
install: all
	install -D -m 755 $(B)/granule $(DESTDIR)$(PREFIX)/bin/granule
	install -D -m 755 $(B)/granule-boot $(DESTDIR)$(PREFIX)/lib/granule/granule-boot
	install -D -m 755 $(B)/granule-image $(DESTDIR)$(PREFIX)/lib/granule/granule-image
	cd $(B) && find guest plugin page -type f -exec install -D -m 755 {} $(DESTDIR)$(PREFIX)/lib/granule/{} \;
	find images workloads/*/rootfs.yaml -type f -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/granule/{} \;

.SECONDARY:

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
