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
	$(wildcard workloads/*.c))

# A folder with a workload.c is a workload, called like the folder. What is linked is one object of each, in which only its
# struct workload is global, so that a copy of a folder has a name for everything in it.
WORKLOADS := $(sort $(patsubst workloads/%/workload.c,%,$(wildcard workloads/*/workload.c)))
workload_obj = $(patsubst %.c,$(B)/obj/%.o,$(wildcard workloads/$1/*.c))
workload_symbol = workload_$(subst .,_,$(subst -,_,$1))

LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o) $(WORKLOADS:%=$(B)/linked/%.o) $(B)/obj/workloads.o
VIRT_OBJ := $(VIRT_SRC:%.c=$(B)/obj/%.o)
GUESTFS_OBJ := $(GUESTFS_SRC:%.c=$(B)/obj/%.o)
TEST_SRC := $(wildcard harness/tests/*-test.c harness/tests/*-fuzz.c)
TESTS := $(foreach t,$(TEST_SRC),$(B)/tests/$(notdir $(basename $t)))

TEST_GUEST := $(patsubst harness/%.c,$(B)/%,$(wildcard harness/tests/guest/*.c))

AGENT_SRC := $(wildcard harness/agent/*.c) $(wildcard harness/wire/*.c)
# guest/X.c of a workload is the program build/guest/WORKLOAD/X; what is no C file there goes into the guest as it is. With a guest/runner.c each tests/X.c is two instead, the
# runner with processes and with threads.
RUNNERS := $(patsubst workloads/%/guest/runner.c,%,$(wildcard $(WORKLOADS:%=workloads/%/guest/runner.c)))
names = $(notdir $(basename $(wildcard $1)))
GUEST := $(B)/guest/agent \
	$(foreach w,$(filter-out $(RUNNERS),$(WORKLOADS)),$(addprefix $(B)/guest/$w/,$(call names,workloads/$w/guest/*.c))) \
	$(foreach w,$(filter-out $(RUNNERS),$(WORKLOADS)),\
		$(addprefix $(B)/guest/$w/,$(notdir $(filter-out %.c %.h,$(wildcard workloads/$w/guest/*))))) \
	$(foreach w,$(RUNNERS),$(foreach m,processes threads,$(B)/guest/$w/runner_$m.o \
		$(patsubst %,$(B)/guest/$w/%_$m,$(call names,workloads/$w/tests/*.c))))

# One source, one object for each of QEMU's plugin interfaces (harness/plugin/qemu.h).
PLUGINS := $(B)/plugin/count-v1.so $(B)/plugin/count-v3.so

.PHONY: all
all: $(B)/granule $(B)/granule-boot $(B)/granule-image $(GUEST) $(PLUGINS) $(B)/page/report.html

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC      $<")
	$(Q)$(CC) $(CPPFLAGS) $(NAMED) $(CFLAGS) -MMD -MP -c $< -o $@

define WORKLOAD_RULE
$(B)/obj/workloads/$1/%.o: NAMED = -DWORKLOAD_NAME='"$1"'
$(B)/linked/$1.o: $(call workload_obj,$1)
	@mkdir -p $$(@D)
	$$(Q)ld -r $$^ -o $$@.all && objcopy --redefine-sym this_workload=$(call workload_symbol,$1) --keep-global-symbol=$(call workload_symbol,$1) $$@.all $$@ && rm $$@.all
endef
$(foreach w,$(WORKLOADS),$(eval $(call WORKLOAD_RULE,$w)))

# The registry, written again when the set of folders is another.
$(B)/obj/workloads.c: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '/* Made by the Makefile: the folders of workloads/ that have a workload.c. */' \
		'#include "workloads/workload.h"' '' \
		$(foreach w,$(WORKLOADS),'extern const struct workload $(call workload_symbol,$w);') '' \
		'const struct workload *const workloads[] = {' $(foreach w,$(WORKLOADS),'	&$(call workload_symbol,$w),') '	NULL,' '};' >$@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(B)/obj/workloads.o: $(B)/obj/workloads.c
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
.PHONY: FORCE

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

# A test that includes a header of a workload's folder may call what is in the folder.
linked = $(filter %.o,$^) $(filter %.a,$^)
INNER := $(shell cd harness/tests && grep -o '^.include "workloads/[^/"]*/' *-test.c *-fuzz.c | \
	sed 's,\.c:.include "workloads/,=,; s,/$$,,' | sort -u)
define INNER_RULE
$(B)/tests/$1 $(patsubst %-fuzz,$(B)/fuzz/%,$(filter %-fuzz,$1)): $(call workload_obj,$2)
endef
$(foreach i,$(INNER),$(eval $(call INNER_RULE,$(firstword $(subst =, ,$i)),$(lastword $(subst =, ,$i)))))
TEST_HELP := $(patsubst %,$(B)/obj/harness/tests/%.o,pipeline synthetic browser workload)
$(B)/tests/%: $(B)/obj/harness/tests/%.o $(TEST_HELP) $(B)/libgranule.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $(linked) $(LDLIBS) -lcmocka -o $@

# A fuzz target without clang: its corpus and repeatable mutations, as a test.
$(B)/tests/%-fuzz: $(B)/obj/harness/tests/%-fuzz.o $(B)/obj/harness/tests/fuzz-main.o $(B)/libgranule.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $(linked) $(LDLIBS) -lcmocka -o $@

$(B)/fuzz/%: $(B)/obj/harness/tests/%-fuzz.o $(B)/libgranule.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(linked) $(LDLIBS) -o $@

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

define GUEST_RULE
$(B)/guest/$1/%: workloads/$1/guest/%.c
	@mkdir -p $$(@D) $(B)/obj/guest/$1
	$$(if $$(Q),@echo "  GUEST   $$@")
	$$(Q)$$(GUEST_CC) $$(GUEST_CFLAGS) -MMD -MP -MT $$@ -MF $(B)/obj/guest/$1/$$*.d $$< -o $$@ && $$(GUEST_STRIP) $$@

$(B)/guest/$1/%: workloads/$1/guest/%
	@mkdir -p $$(@D)
	$$(Q)install -m 644 $$< $$@
endef
$(foreach w,$(filter-out $(RUNNERS),$(WORKLOADS)),$(eval $(call GUEST_RULE,$w)))

# X-dynamic.c: a program that uses libraries of the root file system, and so runs in it only.
$(B)/guest/%-dynamic: GUEST_CFLAGS := $(filter-out -static,$(GUEST_CFLAGS))

# How they are made is in this file: a tree from before it changed gets them anew.
$(GUEST): Makefile

# Symbols stay on the host, beside the program: `granule explain` names user functions by them.
GUEST_STRIP = $(GUEST_CC:gcc=objcopy) --only-keep-debug $@ $@.sym && $(GUEST_CC:gcc=strip) -s

# The runner's object is also what tests of a checkout of upstream are linked with, when a run is planned
# (harness/image/program.c).
runner_src = $(addprefix workloads/$1/guest/,runner.c tasks.c)
define RUNNER_RULE
$(B)/guest/$1/runner_$2.o: $(call runner_src,$1) $(wildcard workloads/$1/guest/*.h)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  GUEST   $$@")
	$$(Q)$$(GUEST_CC) $$(GUEST_CFLAGS) $(if $(filter threads,$2),-DTHREADS) -r $(call runner_src,$1) -o $$@

$(B)/guest/$1/%_$2: workloads/$1/tests/%.c $(B)/guest/$1/runner_$2.o \
	$(filter-out $(call runner_src,$1),$(wildcard workloads/$1/guest/*.c)) $(wildcard workloads/$1/guest/*.h)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  GUEST   $$@")
	$$(Q)$$(GUEST_CC) $$(GUEST_CFLAGS) -Iworkloads/$1/guest -Wl,--wrap=socketpair $$(filter %.c %.o,$$^) -o $$@ && $$(GUEST_STRIP) $$@
endef
$(foreach w,$(RUNNERS),$(foreach m,processes threads,$(eval $(call RUNNER_RULE,$w,$m))))

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
# workload-copy-test runs make, so the tests have the flags too.
SANITIZED := CFLAGS='-O1 -g' SAN='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
.PHONY: check-san
check-san:
	@$(MAKE) --no-print-directory B=$(B)/san $(SANITIZED) all tests
	@$(SANITIZED) GRANULE_BUILD=$(abspath $(B)/san) GRANULE_NO_GUESTS='the sanitizer build runs no real guests' \
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
		--suppressions-list=tools/cppcheck.suppress -D_GNU_SOURCE -DWORKLOAD_NAME='"x"' -Iharness -I. harness workloads

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
	cd $(B) && find $(foreach g,$(GUEST:$(B)/%=%),$g $(if $(filter %.o,$g),,$g.sym)) plugin page -type f -exec install -D -m 755 {} $(DESTDIR)$(PREFIX)/lib/granule/{} \;
	find images workloads/*/rootfs.yaml workloads/*/pom.xml -type f -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/granule/{} \;

.SECONDARY:

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
