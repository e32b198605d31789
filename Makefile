# SPDX-License-Identifier: GPL-2.0-or-later
# One non-recursive file; everything it makes is under $(B) (build/, build/san/ for the sanitizer build).
#   make          granule, granule-boot and the guest programs     make demo     the main job, from nothing
#   make check    all tests that need no network and no root       make bench    speed, as ratios
#   make deps     install what is missing (Debian 12 and 13)       make install  PREFIX, DESTDIR
#   make check-san, lint, format                                   B=DIR         another output folder

B ?= build
CC = gcc
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

ifeq ($(shell uname -m),aarch64)
GUEST_CC ?= gcc
else
GUEST_CC ?= aarch64-linux-gnu-gcc
endif

PKGS := yaml-0.1 libxml-2.0 jansson gsl smartcols nettle
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wshadow -Wpointer-arith -Wwrite-strings
CPPFLAGS += -D_GNU_SOURCE -Iharness -I. $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
override CFLAGS += -std=gnu11 $(WARN) $(WERROR) $(SAN)
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
VIRT_LIBS = $(shell pkg-config --libs libvirt libvirt-qemu 2>/dev/null)
GUEST_CFLAGS := -std=gnu11 -O2 -g0 $(WARN) $(WERROR) -D_GNU_SOURCE -Iharness -I. -static -pthread

# Mains are apart; every other .c of a room goes into the one archive. Rooms that link libvirt stay out of it.
MAINS := harness/cli/granule.c harness/guest/granule-boot.c
VIRT_SRC := harness/guest/virt.c
LIB_SRC := $(filter-out $(MAINS) $(VIRT_SRC), \
	$(foreach d,base wire stat matrix image guest run store compare report cli,$(wildcard harness/$d/*.c)) \
	$(wildcard workloads/*.c workloads/*/workload.c))
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
VIRT_OBJ := $(VIRT_SRC:%.c=$(B)/obj/%.o)
TEST_SRC := $(wildcard harness/tests/*-test.c workloads/*/*-test.c)
TESTS := $(foreach t,$(TEST_SRC),$(B)/tests/$(notdir $(basename $t)))

AGENT_SRC := $(wildcard harness/agent/*.c) $(wildcard harness/wire/*.c)
WIS_TESTS := $(notdir $(basename $(wildcard workloads/will-it-scale/tests/*.c)))
GUEST := $(B)/guest/agent $(B)/guest/null/null \
	$(foreach t,$(WIS_TESTS),$(B)/guest/will-it-scale/$t_processes $(B)/guest/will-it-scale/$t_threads)

.PHONY: all
all: $(B)/granule $(B)/granule-boot $(GUEST)

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

$(B)/tests/%: $(B)/obj/harness/tests/%.o $(B)/obj/harness/tests/pipeline.o $(B)/libgranule.a
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD      $@")
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) -lcmocka -o $@

$(B)/bench: $(B)/obj/harness/tests/bench.o $(B)/libgranule.a
	$(Q)$(CC) $(CFLAGS) $^ $(LDLIBS) -o $@

# Guest programs: static arm64, the same bytes from any folder.
$(B)/guest/agent: $(AGENT_SRC) $(wildcard harness/agent/*.h harness/wire/*.h harness/base/err.h)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) $(AGENT_SRC) -o $@ && $(GUEST_STRIP) $@

$(B)/guest/null/null: workloads/null/guest.c
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) $< -o $@ && $(GUEST_STRIP) $@

WIS_GUEST := $(wildcard workloads/will-it-scale/guest/*.c)
WIS_HEAD := $(wildcard workloads/will-it-scale/guest/*.h)
GUEST_STRIP := $(GUEST_CC:gcc=strip) -s

$(B)/guest/will-it-scale/%_processes: workloads/will-it-scale/tests/%.c $(WIS_GUEST) $(WIS_HEAD)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -Wno-write-strings -Wno-discarded-qualifiers -Iworkloads/will-it-scale/guest $< $(WIS_GUEST) -o $@ && $(GUEST_STRIP) $@

$(B)/guest/will-it-scale/%_threads: workloads/will-it-scale/tests/%.c $(WIS_GUEST) $(WIS_HEAD)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  GUEST   $@")
	$(Q)$(GUEST_CC) $(GUEST_CFLAGS) -DTHREADS -Wno-write-strings -Wno-discarded-qualifiers -Iworkloads/will-it-scale/guest $< $(WIS_GUEST) -o $@ && $(GUEST_STRIP) $@

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
tests: $(TESTS)
check-here: all tests
	@GRANULE_BUILD=$(abspath $(B)) tools/run-tests $(TESTS)

# The same under the address and undefined-behaviour sanitizers, without real guests.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
.PHONY: check-san
check-san:
	@$(MAKE) --no-print-directory B=$(B)/san CFLAGS='-O1 -g' SAN='$(SANITIZE)' all tests
	@GRANULE_BUILD=$(abspath $(B)/san) GRANULE_NO_GUESTS='the sanitizer build runs no real guests' \
		tools/run-tests $(patsubst $(B)/%,$(B)/san/%,$(TESTS))

C_FILES = $(shell git ls-files '*.c' '*.h')
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
bench-here: all $(B)/bench
	@tools/bench $(B)

# ---- Installing

PREFIX ?= /usr/local
.PHONY: install
install: all
	install -D -m 755 $(B)/granule $(DESTDIR)$(PREFIX)/bin/granule
	install -D -m 755 $(B)/granule-boot $(DESTDIR)$(PREFIX)/lib/granule/granule-boot
	cd $(B) && find guest -type f -exec install -D -m 755 {} $(DESTDIR)$(PREFIX)/lib/granule/{} \;
	find images -type f -exec install -D -m 644 {} $(DESTDIR)$(PREFIX)/share/granule/{} \;

.SECONDARY:

.PHONY: clean
clean:
	rm -rf $(B)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
