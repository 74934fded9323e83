# daemon.sh - starting and ending the programs under test, by the pids we started (sourced).
# shellcheck shell=bash

lab_log=/var/log/sockgate
lab_run=/run/lab

lab_die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# daemon_start NAME COMMAND...: in a session of its own, output to the log; its pid is noted.
daemon_start() {
    local name=$1
    shift
    mkdir -p "$lab_run" "$lab_log" /run/sockgate
    setsid "$@" >>"$lab_log/$name.log" 2>&1 </dev/null &
    echo $! >"$lab_run/$name.pid"
    disown
}

daemon_alive() {
    local pid
    pid=$(cat "$lab_run/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

# daemon_watch NAME: returns when it has ended, however soon that was.
daemon_watch() {
    while daemon_alive "$1"; do sleep 0.2; done
}

# daemon_stop NAME: asks, then, after 5 s, insists.
daemon_stop() {
    local pid i
    pid=$(cat "$lab_run/$1.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || true
    for ((i = 0; i < 250; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    if kill -0 "$pid" 2>/dev/null; then
        echo "${0##*/}: $1 did not end when asked; killed" >&2
        kill -KILL "$pid" 2>/dev/null || true
    fi
    rm -f "$lab_run/$1.pid"
}

daemon_last_words() {
    [ -s "$lab_log/$1.log" ] || {
        echo "--- $1 said nothing ($lab_log/$1.log)" >&2
        return
    }
    echo "--- the end of $lab_log/$1.log" >&2
    tail -n 20 "$lab_log/$1.log" >&2
}

# config_write FILE EXTRA-FILE: standard input, one setting a line, without those
# that EXTRA-FILE (may be empty) makes itself, and then EXTRA-FILE.
config_write() {
    local file=$1 extra=$2 line
    while IFS= read -r line; do
        [ -z "$extra" ] || ! grep -qE "^[[:space:]]*${line%%[ =:]*}[[:space:]]*[=:]" "$extra" || continue
        printf '%s\n' "$line"
    done >"$file"
    [ -z "$extra" ] || cat "$extra" >>"$file"
}
