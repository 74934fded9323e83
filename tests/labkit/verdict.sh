# verdict.sh - what a run came to: the command's status, or what the kernels complained about (sourced).
# shellcheck shell=bash

# Lines of a kernel log that no test may cause.
verdict_bad='WARNING:|BUG:|BUG |Oops|kernel panic|Kernel panic|general protection|Call Trace:|RIP: 0010:'
verdict_bad+='|possible circular locking|possible recursive locking|inconsistent lock state|suspicious RCU usage'
verdict_bad+='|INFO: rcu_|rcu:.*stall|detected stalls|INFO: task .* blocked for more than|soft lockup|hard LOCKUP'
verdict_bad+='|refcount_t:|KASAN|KFENCE|KCSAN|UBSAN|kmemleak:.*new suspected|list_(add|del) corruption'
verdict_bad+='|unregister_netdevice: waiting|double fault|stack segment|invalid opcode|divide error|unable to handle'
verdict_bad+='|scheduling while atomic|sleeping function called from invalid context|DEBUG_LOCKS_WARN_ON'
verdict_bad+='|bad page state|kernel messages were lost|cut here'
# The same words in messages that mean no harm.
verdict_harmless='BUG: using __this_cpu_nothing'

# /proc/sys/kernel/tainted: D (7) died, W (9) warned, L (14) locked up.
verdict_taints() {
    local taint=$1 out=
    [ $((taint >> 7 & 1)) = 0 ] || out+=' D (oops)'
    [ $((taint >> 9 & 1)) = 0 ] || out+=' W (warning)'
    [ $((taint >> 14 & 1)) = 0 ] || out+=' L (lockup)'
    echo "${out# }"
}

# Prints what MACHINE's kernel complained about; nothing: it did not.
verdict_complaints() { # RUN MACHINE
    local log=$1/$2.log console=$1/$2.console taint
    { cat "$log" 2>/dev/null && tr -d '\r' <"$console"; } 2>/dev/null |
        grep -aE "$verdict_bad" | grep -avE "$verdict_harmless" | head -n 20 || true
    [ -e "$1/$2.taint" ] || return 0
    taint=$(verdict_taints "$(<"$1/$2.taint")")
    [ -z "$taint" ] || echo "kernel tainted: $taint"
}

# The end of a log, for whoever has to find out.
verdict_tail() { # FILE LINES
    [ -s "$1" ] || return 0
    echo "--- the end of $1"
    tr -d '\r' <"$1" | tail -n "$2"
}

# verdict RUN HUB-STATUS STRICT: exits.
verdict() {
    local run=$1 rc=$2 strict=$3 file machine found bad=
    for file in "$run"/*.log; do
        machine=$(basename "$file" .log)
        found=$(verdict_complaints "$run" "$machine")
        [ -n "$found" ] || continue
        bad+=" $machine"
        lab_say "the kernel of $machine complained:"
        printf '    %s\n' "${found//$'\n'/$'\n'    }" >&2
    done
    if [ "$rc" != 0 ] || [ ! -s "$run/status" ]; then
        for file in "$run"/*.qemu "$run"/*.console; do verdict_tail "$file" 15 >&2; done
        lab_die "no result; the logs are in $run"
    fi
    rc=$(<"$run/status")
    if [ -n "$bad" ] && [ -n "$strict" ]; then
        lab_die "failed by the kernel's complaints (the script's own status was $rc); the whole log: $run/*.log"
    fi
    rmdir "$LAB_OUT" 2>/dev/null || true
    exit "$rc"
}
