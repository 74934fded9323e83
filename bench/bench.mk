# SPDX-License-Identifier: GPL-2.0-only
# The programs that `make bench` runs, most of them in the guest, in $(O)/bench.

BENCH_PROGRAMS := load nfqueue policy signatures-tool
BENCH_LIBS_nfqueue := -lnetfilter_queue
BENCH_LIBS_signatures-tool = $(PKG_LIBS) $(LIBS_sigdb)

.PHONY: bench-programs
bench-programs: $(addprefix $(O)/bench/,$(BENCH_PROGRAMS))

$(O)/bench/signatures-tool: $(call archive,$(USES_sigdb))
$(O)/bench/%: bench/%.c | $(O)/.need-build
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(BENCH_LIBS_$*)

$(O)/bench/policy: $(O)/obj/bench/policy.o $(call archive,$(USES_secsrv))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) $(LIBS_sigdb) -pthread
