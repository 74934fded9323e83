# SPDX-License-Identifier: GPL-2.0-only
# The programs that `make bench` runs in the guest, in $(O)/bench.

BENCH_PROGRAMS := load nfqueue
BENCH_LIBS_nfqueue := -lnetfilter_queue

.PHONY: bench-programs
bench-programs: $(addprefix $(O)/bench/,$(BENCH_PROGRAMS))

$(O)/bench/%: bench/%.c | $(O)/.need-build
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BENCH_LIBS_$*)
