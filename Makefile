# SPDX-License-Identifier: GPL-2.0-only
#
# make            all programs
# make modules    sockgate.ko for KERNEL (6.1, 6.12, 5.10, 6.1-rt, sid, a Debian
#                 version, or "running"; default 6.1)
# make demo       the main job on three virtual machines, told as a story
# make check      every test, unit and guest; ends with "N passed, N failed"
# make check-kernels  the guest tests on every kernel that there is a claim about
# make check-memory   each allocation of the module fails in turn, on 6.1
# make check-storm    the module loaded and unloaded 200 times under load, on 6.1
# make check-compare  others' network tests, without the module and with all allowed
# make bench      what a connection costs, by instruction count, policies, signatures
# make lint       checkpatch, sparse, clang-tidy, cppcheck, shellcheck
# make install        programs, units and manuals, below DESTDIR (docs/INSTALL.md)
# make dkms-install   put the module under DKMS on this machine
#
# O=DIR puts the results elsewhere; SAN=1 builds with ASan and UBSan.

VERSION := $(shell sed -n 's/^SOCKGATE_VERSION := //p' Kbuild)
O ?= build
KERNEL ?= 6.1
CC ?= gcc
.DEFAULT_GOAL := all

# What every program needs is installed by the first rule that runs.
PKGS := libevent libevent_openssl openssl libprotobuf-c libconfig sqlite3 \
	jansson libmnl glib-2.0
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wwrite-strings -Wformat=2 -Wvla
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection \
	-fPIE
ifdef SAN
OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
LINK := -fsanitize=address,undefined
else
OPT := -O2 -g -D_FORTIFY_SOURCE=2
LINK :=
endif
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DSOCKGATE_VERSION='"$(VERSION)"' $(OPT) \
	$(HARDEN) $(WARN) -isystem $(O)/gen -Iinclude -Iinclude/uapi -Ilib -I. \
	$(PKG_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,-z,noexecstack $(LINK) $(LDFLAGS)

# One archive per folder, without its main.c and its tests.
DIRS := lib sigdb secsrv policymgr nfagent ctl
sources = $(filter-out %/main.c %_test.c,$(wildcard $(1)/*.c))
objects = $(patsubst %.c,$(O)/obj/%.o,$(1))
archive = $(patsubst %,$(O)/obj/%.a,$(1))

# Which archives a program is linked from, in link order.
USES_sigdb := sigdb lib
USES_secsrv := secsrv sigdb lib
USES_policymgr := policymgr secsrv sigdb lib
USES_nfagent := nfagent lib
USES_sockgate := ctl secsrv sigdb lib
MAIN_sockgate := ctl/main.c
LIBS_sigdb := -lcsv -lrpm -lrpmio -lseccomp -lyara -lsystemd
LIBS_secsrv := -lsystemd
LIBS_policymgr := -lsystemd
LIBS_nfagent := -lsystemd
PROGRAMS := sigdb secsrv policymgr nfagent sockgate
main = $(or $(MAIN_$(1)),$(1)/main.c)
PRESENT := $(foreach p,$(PROGRAMS),$(if $(wildcard $(call main,$(p))),$(p)))

TESTS := $(foreach d,$(DIRS),$(wildcard $(d)/*_test.c))
TEST_BINS := $(patsubst %.c,$(O)/test/%,$(TESTS))

GEN := $(O)/gen/sockgate.pb-c.h

.PHONY: all modules unit-tests tools demo check check-kernels check-memory check-storm \
	check-compare bench lint install dkms-install print-cflags clean
.SECONDARY:

all: $(addprefix $(O)/bin/,$(PRESENT)) tools
unit-tests: $(TEST_BINS)

$(O)/.need-build:
	@tests/need build
	@mkdir -p $(O) && touch $@

$(O)/gen/sockgate.pb-c.c: proto/sockgate.proto | $(O)/.need-build
	@mkdir -p $(@D)
	protoc-c --c_out=$(@D) --proto_path=proto $<
$(O)/gen/sockgate.pb-c.h: $(O)/gen/sockgate.pb-c.c ;

# The schema, and the ways to it from older ones, as C strings.
SQL := sigdb/schema.sql sigdb/migrate_1.sql sigdb/migrate_2.sql sigdb/migrate_3.sql \
	sigdb/migrate_4.sql
$(O)/gen/sigdb_schema.h: $(SQL)
	@mkdir -p $(@D)
	for f in $^; do \
		echo "static const char $$(basename $$f .sql)_sql[] ="; \
		sed 's/["\\]/\\&/g; s/.*/"&\\n"/' $$f; echo ';'; \
	done >$@
$(O)/obj/sigdb/schema.o: $(O)/gen/sigdb_schema.h

# Beside the program, as where it is installed.
$(O)/share/sockgate/%: sigdb/%
	@mkdir -p $(@D)
	cp $< $@
$(O)/bin/sigdb: | $(O)/share/sockgate/categories.conf

$(O)/obj/gen/%.o: $(O)/gen/%.c | $(O)/.need-build
	@mkdir -p $(@D)
	$(CC) $(filter-out -Wshadow,$(ALL_CFLAGS)) -c -o $@ $<

$(O)/obj/%.o: %.c $(GEN) | $(O)/.need-build
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

define archive_rule
$(O)/obj/$(1).a: $(call objects,$(call sources,$(1))) \
		$(if $(filter lib,$(1)),$(O)/obj/gen/sockgate.pb-c.o)
	@rm -f $$@
	$(AR) rcs $$@ $$^
endef
$(foreach d,$(DIRS),$(eval $(call archive_rule,$(d))))

define program_rule
$(O)/bin/$(1): $(call objects,$(call main,$(1))) $(call archive,$(USES_$(1)))
	@mkdir -p $$(@D)
	$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) -pthread $(LIBS_$(1))
endef
$(foreach p,$(PRESENT),$(eval $(call program_rule,$(p))))

# A unit test is linked with the archives that its folder's program uses.
test_uses = $(call archive,$(or $(USES_$(patsubst ctl,sockgate,$(1))),lib))
define test_rule
$(O)/test/$(1)/%_test: $(O)/obj/$(1)/%_test.o $(call test_uses,$(1))
	@mkdir -p $$(@D)
	$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) $(LIBS_$(1)) -lcmocka -pthread
endef
$(foreach d,$(DIRS),$(eval $(call test_rule,$(d))))

# This one runs the program.
$(O)/test/sigdb/hook_test: | $(O)/bin/sigdb

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)

MODULE_RELEASE = $(if $(filter running,$(KERNEL)),$$(uname -r),$$(tests/labkit/kernel $(KERNEL)))
# Says where the module is.
modules:
	@tests/need build
	@env -u MAKEFLAGS tests/labkit/module $(KERNEL) $(O)/kmod
	@echo "$(O)/kmod/$(MODULE_RELEASE)/sockgate.ko"

-include tests/guest.mk bench/bench.mk

tools:

demo: all
	@tests/demo/run

# The result is the last line.  make would add one of its own after a failure, unless
# it ends by a signal, and by this one it ends without a word (status 141).
check:
	@tests/check || kill -PIPE $$PPID

check-kernels:
	@tests/check-kernels $(KERNELS) || kill -PIPE $$PPID

# KERNEL=5.10 and the like for another.
check-memory:
	@tests/check -k $(KERNEL) memory || kill -PIPE $$PPID

check-storm:
	@tests/check -k $(KERNEL) -r 200 -n unload_test guest || kill -PIPE $$PPID

check-compare:
	@tests/compare || kill -PIPE $$PPID

bench:
	@bench/run

# The units name /usr/sbin.  Nothing is started, and no configuration is touched.
TO = $(DESTDIR)/usr
DOC = $(TO)/share/doc/sockgate
install: all
	install -d $(TO)/sbin $(TO)/lib/systemd/system $(TO)/share/sockgate $(TO)/lib/sockgate $(DOC) \
		$(TO)/share/man/man5 $(TO)/share/man/man8 \
		$(TO)/share/bash-completion/completions
	install $(addprefix $(O)/bin/,$(PRESENT)) $(TO)/sbin
	install -m 644 $(wildcard */*.service) $(TO)/lib/systemd/system
	install -m 644 sigdb/categories.conf $(TO)/share/sockgate
	install sigdb/dpkg-changed $(TO)/lib/sockgate
	install -m 644 $(wildcard */*.example.conf) $(DOC)
	install -m 644 $(wildcard */*.5) $(TO)/share/man/man5
	install -m 644 $(wildcard */*.8) $(TO)/share/man/man8
	install -m 644 ctl/completion/sockgate $(TO)/share/bash-completion/completions

# For the running kernel, or KVER=RELEASE; needs root and that kernel's headers.
KVER ?= $(shell uname -r)
KVER_BUILD = /lib/modules/$(KVER)/build
define dkms_source
	rm -rf $(1)
	install -d $(1)
	cp -r Kbuild kmod include $(1)
	rm $(1)/kmod/dkms.conf
	sed 's/@VERSION@/$(VERSION)/' kmod/dkms.conf >$(1)/dkms.conf
endef
# Built aside first: what is installed is there until another is known to build.
DKMS_TRIAL = $(abspath $(O))/dkms
dkms-install:
	@tests/need dkms
	@[ -e $(KVER_BUILD)/Makefile ] || { \
		echo "no headers of kernel $(KVER) in $(KVER_BUILD):" \
		     "install linux-headers-$(KVER)" >&2; exit 1; }
	rm -rf $(DKMS_TRIAL)
	install -d $(DKMS_TRIAL)/tree
	$(call dkms_source,$(DKMS_TRIAL)/sockgate-$(VERSION))
	dkms build sockgate/$(VERSION) -k $(KVER) --sourcetree $(DKMS_TRIAL) \
		--dkmstree $(DKMS_TRIAL)/tree
	-dkms remove sockgate/$(VERSION) --all >/dev/null 2>&1
	$(call dkms_source,/usr/src/sockgate-$(VERSION))
	dkms install sockgate/$(VERSION) -k $(KVER) --force

lint:
	@tests/need build lint
	@tests/lint

print-cflags:
	@echo $(ALL_CFLAGS)

clean:
	rm -rf $(O)
