# SPDX-License-Identifier: GPL-2.0-only
# The tests that run in a guest: `make guest-tests` leaves them in $(O)/guest.

GUEST := $(O)/guest
GUEST_TESTS := $(wildcard tests/guest/*_test.c)
GUEST_BINS := $(patsubst tests/guest/%.c,$(GUEST)/%,$(GUEST_TESTS))
GUEST_KIT := agent child fuzz gate hand klog limit net pace page scene script server uring \
	worker
GUEST_KIT_OBJS := $(patsubst %,$(GUEST)/obj/%.o,$(GUEST_KIT)) $(O)/obj/lib/genl.o
# What comes of allocations that fail.
MEMORY_BINS := $(patsubst tests/memory/%.c,$(O)/memory/%,$(wildcard tests/memory/*_test.c))
# What the tests run: static, since starting it is most of what it costs.
GUEST_PROGRAMS := $(GUEST)/worker $(GUEST)/brief $(GUEST)/evade \
	$(GUEST)/swap

# The harness speaks GNU C.
GUEST_CFLAGS := -std=gnu17 -D_GNU_SOURCE -O2 -g $(WARN) -Iinclude/uapi -Ilib \
	-Itests/guest -I$(GUEST)/gen
# ... and makes functions that nobody declared.
$(GUEST)/obj/%_test.o: GUEST_CFLAGS += -Wno-missing-prototypes
# Its time limits are limit.c's to stretch.
GUEST_LDFLAGS := -Wl,--wrap=alarm

.PHONY: guest-tests guest-modules memory-tests memory-modules
guest-tests: $(GUEST_BINS) $(GUEST_PROGRAMS)
memory-tests: $(MEMORY_BINS)

# For KERNEL, beside sockgate.ko.
guest-modules:
	@env -u MAKEFLAGS tests/labkit/module $(KERNEL) $(O)/kmod tests/rival
memory-modules:
	@env -u MAKEFLAGS tests/labkit/module $(KERNEL) $(O)/kmod tests/fault

$(GUEST)/kselftest: tests/guest/kselftest
	@mkdir -p $(@D)
	@ln -sfn "$$($<)" $@

# What a kernel must not say, as the lab has it.
$(GUEST)/gen/complaints.h: tests/labkit/verdict.sh
	@mkdir -p $(@D)
	@bash -ec '. ./$<; printf "#define COMPLAINTS \"%s\"\n" "$$verdict_bad"; \
		printf "#define HARMLESS \"%s\"\n" "$$verdict_harmless"' >$@

$(GUEST)/obj/klog.o: $(GUEST)/gen/complaints.h

$(GUEST)/obj/%.o: tests/guest/%.c | $(GUEST)/kselftest $(O)/.need-build
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -isystem $(GUEST)/kselftest $(shell pkg-config \
		--cflags libmnl) -MMD -MP -c -o $@ $<

$(GUEST)/obj/%.o: tests/memory/%.c | $(GUEST)/kselftest $(O)/.need-build
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -isystem $(GUEST)/kselftest $(shell pkg-config \
		--cflags libmnl) -MMD -MP -c -o $@ $<

$(GUEST)/%_test: $(GUEST)/obj/%_test.o $(GUEST_KIT_OBJS)
	$(CC) $(GUEST_LDFLAGS) -o $@ $^ -lmnl -pthread

# The worker is looked for beside the test.
$(O)/memory/%_test: $(GUEST)/obj/%_test.o $(GUEST_KIT_OBJS) | $(GUEST)/worker
	@mkdir -p $(@D)
	$(CC) $(GUEST_LDFLAGS) -o $@ $^ -lmnl -pthread
	@ln -sf ../guest/worker $(@D)/worker

$(GUEST)/worker: $(GUEST)/obj/worker_main.o $(GUEST)/obj/uring.o
	$(CC) -static -o $@ $^ -pthread

$(GUEST)/evade: $(GUEST)/obj/evade.o $(GUEST)/obj/net.o $(GUEST)/obj/uring.o
	$(CC) -static -o $@ $^ -pthread

$(GUEST)/swap: $(GUEST)/obj/swap.o $(GUEST)/obj/net.o
	$(CC) -static -o $@ $^

$(GUEST)/brief: $(GUEST)/obj/brief.o
	$(CC) -static -s -o $@ $^

-include $(wildcard $(GUEST)/obj/*.d)
