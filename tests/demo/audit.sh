# audit.sh - the records of the security server, as they come in (sourced; on the workload).
#
# Every step runs in a control group of its own, /demo/N, and a record names the
# control group: so a record belongs to the step that caused it, whatever its
# process was called.
# shellcheck shell=bash disable=SC2154 # the variables of story

audit_file=$work/audit.jsonl

# audit_open: from now on the server's records arrive at the descriptor audit_fd.
audit_open() {
    : >"$audit_file"
    exec {audit_fd}< <(exec on server sockgate events -f -j)
}

# audit_wait PATTERN: reads records until one matches the extended regular expression; 30 s at most.
audit_wait() {
    local line
    while IFS= read -r -t 30 -u "$audit_fd" line; do
        printf '%s\n' "$line" >>"$audit_file"
        [[ ! $line =~ $1 ]] || return 0
    done
    return 1
}

# audit_seen PATTERN: the same, content with one that has come already.
audit_seen() { grep -qE "$1" "$audit_file" || audit_wait "$1"; }

# audit_rows FILE CONDITION: the records that meet a jq condition, one line each, separated by tabs:
# step action application vendor category user rule ms. An empty column is "-". A user of the
# machine itself goes without domain.
audit_rows() {
    jq -r 'select('"$2"')
        | [ ((.place.cgroup // "") | ltrimstr("/demo/")), .decision.verdict,
            .application.name, .application.vendor, .application.category,
            (.user.name // (.user.uid | tostring))
                + (if (.user.domain // .host) == .host then "" else "@" + .user.domain end),
            (if .outcome == "failure" then "failure: " + .reason else .decision.rule end),
            .latency_ms ]
        | map(if (. // "") == "" then "-" else . end) | @tsv' "$1"
}

# audit_whole FILE: everything that the security server has on record.
audit_whole() { on server sockgate events -j -n 100000 >"$1"; }
