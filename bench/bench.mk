# SPDX-License-Identifier: GPL-2.0-only
# The programs that `make bench` runs, most of them in the guest, in $(O)/bench.

BENCH_PROGRAMS := load nfqueue fill app policy signatures-tool \
	agents echo sight
BENCH_LIBS_nfqueue := -lnetfilter_queue
BENCH_LIBS_fill := -lmnl
BENCH_FLAGS_fill := -Iinclude/uapi -Ilib
BENCH_LIBS_signatures-tool = $(PKG_LIBS) $(LIBS_sigdb)

.PHONY: bench-programs
bench-programs: $(addprefix $(O)/bench/,$(BENCH_PROGRAMS))

# It is small because there are a thousand of it, each of which is read.
$(O)/bench/app: bench/app.c | $(O)/.need-build
	@mkdir -p $(@D)
	$(CC) -std=c17 -D_GNU_SOURCE -O2 $(WARN) -fno-stack-protector -fno-pie -no-pie \
		-static -nostdlib -s -Wl,-z,noseparate-code -Wl,--build-id=none -o $@ $<

BENCH_LIBS_agents = $(PKG_LIBS)
BENCH_LIBS_echo = $(PKG_LIBS)

$(O)/bench/fill $(O)/bench/agents $(O)/bench/echo: $(O)/obj/lib.a
$(O)/bench/signatures-tool: $(call archive,$(USES_sigdb))
$(O)/bench/%: bench/%.c | $(O)/.need-build
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(BENCH_FLAGS_$*) $(ALL_LDFLAGS) -o $@ $^ $(BENCH_LIBS_$*)

$(O)/bench/sight: $(O)/obj/bench/sight.o $(call archive,$(USES_nfagent))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LIBS_nfagent) -pthread

$(O)/bench/policy: $(O)/obj/bench/policy.o $(call archive,$(USES_secsrv))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LIBS_sigdb) -pthread
