# step.sh - one command of the story: run, look it up in the audit, count its packets, judge (sourced).
# shellcheck shell=bash disable=SC2154 # the variables of story

steps=0
steps_bad=0
wrong=''         # why the step under way is not as it should be
expected=(none)  # by number of the step: "action rule"

# do_it COMMAND...: shown and run; nothing to judge.
do_it() {
    tell_command "$*"
    "$@"
}

# in_group COMMAND...: in the control group of this step.
in_group() {
    echo "$BASHPID" >"/sys/fs/cgroup/demo/$steps/cgroup.procs"
    exec "$@"
}

step_begin() { # ACTION RULE COMMAND...
    steps=$((steps + 1))
    expected[steps]="$1 $2"
    wrong=''
    shift 2
    mkdir -p "/sys/fs/cgroup/demo/$steps"
    [ $# = 0 ] || tell_command "$*"
}

step_wrong() { wrong+="${wrong:+; }$1"; }

step_end() { # WHAT-IS-RIGHT
    if [ -z "$wrong" ]; then
        tell_verdict yes "$1"
        return
    fi
    steps_bad=$((steps_bad + 1))
    tell_verdict no "not as it should be: $wrong"
}

# step_rows CONDITION ACTION RULE APPLICATION USER: shows the records, the first three of
# them, and judges each; a program may have asked several times.
step_rows() {
    local action app vendor category user rule ms rows=0 words='allow=allowed audit=noticed deny=refused'
    while IFS=$'\t' read -r _ action app vendor category user rule ms; do
        rows=$((rows + 1))
        [[ $words =~ $action=([a-z]+) ]]
        [ "$rows" -gt 3 ] ||
            tell_row "$action" "$app" "$vendor" "$category" "$user" "$rule" "${BASH_REMATCH[1]}" "$(printf %.1f "$ms")"
        [ "$action" = "$2" ] || step_wrong "the decision should be $2"
        [ "$rule" = "$3" ] || step_wrong "the rule should be $3"
        # shellcheck disable=SC2053 # a pattern
        [[ $app == $4 ]] || step_wrong "the application should be $4"
        [ "$user" = "$5" ] || step_wrong "the user should be $5"
    done < <(audit_rows "$audit_file" "$1")
    [ "$rows" -gt 0 ] || step_wrong "the security server has no record of it"
}

# step_judge ACTION RULE APPLICATION USER STATUS: after the command has ended.
step_judge() {
    local packets=unknown fate
    tell_output said
    cp said "$DEMO_OUT/last/step-$steps.said"
    audit_wait "${step_mark:-\"/demo/$steps\"}" || step_wrong "no record came within 30 s"
    # shellcheck disable=SC2086 # a word, or none
    packets=$(on gateway lab-capture count "$steps" ${step_counts:-}) || step_wrong "the capture has failed"
    step_rows "${step_where:-.place.cgroup == \"/demo/$steps\"}" "$1" "$2" "$3" "$4"
    if [ "$1" = deny ]; then
        fate="refused; the gateway saw no packet of it"
        [ "$5" != 0 ] || step_wrong "the program should have failed"
        [ "$packets" = 0 ] || step_wrong "packets that left: $packets"
    else
        fate="let through; the gateway saw $packets packets"
        [ "$5" = 0 ] || step_wrong "the program has failed ($5)"
        [[ $packets =~ ^[1-9] ]] || step_wrong "the capture saw no packet"
    fi
    step_end "$fate"
}

# step allow|audit|deny RULE APPLICATION COMMAND...
step() {
    local action=$1 rule=$2 application=$3 status=0
    shift 3
    step_begin "$action" "$rule" "$@"
    (in_group "$@") >said 2>&1 </dev/null || status=$?
    step_judge "$action" "$rule" "$application" "${step_user:-root}" "$status"
}

# step_until TEXT allow|audit|deny RULE APPLICATION COMMAND...: a program that would
# never end by itself is ended when it has said TEXT.
step_until() {
    local text=$1 action=$2 rule=$3 application=$4 pid status=0
    shift 4
    step_begin "$action" "$rule" "$@"
    : >said
    (in_group "$@") >said 2>&1 </dev/null &
    pid=$!
    timeout 60 grep -q -m1 "$text" < <(tail -n +1 -f said --pid "$pid") ||
        step_wrong "it did not say '$text' within 60 s"
    kill "$pid" 2>/dev/null || true
    wait "$pid" || status=$?
    step_judge "$action" "$rule" "$application" "${step_user:-root}" "$status"
}

# step_domain USER allow|deny RULE [SCRIPT]: python3 as that user.
step_domain() {
    local step_user=$1
    step "$2" "$3" 'python3*' runuser -u "$1" -- /usr/bin/python3 "${4:-fetch.py}" "$site"
}

# step_container allow|deny RULE APPLICATION COMMAND...: in carol's container, as its root.
step_container() {
    local step_user=carol
    step "${@:1:3}" ./container "${@:4}"
}

# step_peer MACHINE ADDRESS allow|deny RULE: what nginx, here, does with a client there. nginx
# does not run in the step's control group, so its record is found by the peer's address.
step_peer() {
    local step_counts=sent status=0
    local step_mark="\"accept\".*\"remote_address\": ?\"$2\""
    local step_where=".event.kind == \"accept\" and .event.remote_address == \"$2\""
    step_begin "$3" "$4"
    tell_command "curl -sS http://workload/" "$1"
    on "$1" curl -sS --max-time 5 http://10.77.1.2/ >said 2>&1 || status=$?
    step_judge "$3" "$4" nginx root "$status"
}

# step_beside ACTION RULE APPLICATION WHAT: what root's daemons did beside the story.
step_beside() {
    step_begin "$1" "$2"
    printf '\n'
    audit_seen "\"rule\": ?\"$2\"" || step_wrong "no record came within 30 s"
    step_rows ".decision.rule == \"$2\"" "$1" "$2" "$3" root
    step_end "$4"
}

# step_log FILE PATTERN WHAT: a daemon's log says so.
step_log() {
    step_begin none none
    printf '\n'
    grep -hoE -m1 "$2" "$1" | sed "s/^/    $t_dim$t_bar$t_off /" || step_wrong "not in $1: $2"
    step_end "$3"
}

# What the kernel has refused from its cache, without asking.
refused_from_cache() { sockgate status -j | jq .kernel.counters.hit_deny; }

# policy_load: puts /etc/sockgate/policy.conf on the server in force, and waits for it to arrive here.
policy_load() {
    local generation i
    generation=$(on server sockgate policy load -j /etc/sockgate/policy.conf | jq .generation)
    for ((i = 0; i < 300; i++)); do
        [ "$(sockgate status -j | jq .agent.generation)" != "$generation" ] || break
        sleep 0.1
    done
    [ "$i" -lt 300 ] || lab_die "the new policy has not reached the workload within 30 s"
    tell_verdict yes "in force on the workload, as generation $generation"
}

# agent_restart: another process, which remembers nothing of the one before.
agent_restart() {
    daemon_stop nfagent
    daemon_start nfagent nfagent -c /etc/sockgate/nfagent.conf
    sockgate status --wait 60 >/dev/null
}

# step_contradictions: steps of which the whole audit has a record that should not be there.
step_contradictions() {
    local step action rule
    while IFS=$'\t' read -r step action _ _ _ _ rule _; do
        [ "${expected[step]}" = "$action $rule" ] || echo "step $step: $action by $rule"
    done < <(audit_rows "$1" '(.place.cgroup // "") | startswith("/demo/")') | paste -sd';'
}

# story_end SECONDS: the last words; the status is the story's.
story_end() {
    local kept=$DEMO_OUT/last contradictions good=$((steps - steps_bad))
    audit_whole "$kept/audit.jsonl"
    contradictions=$(step_contradictions "$kept/audit.jsonl")
    on gateway lab-capture stop "$kept/gateway.pcap"
    tell_heading "Summary"
    tell_verdict "$([ "$steps_bad" = 0 ] && echo yes || echo no)" "$good of $steps steps as they should be"
    tell_verdict "$([ -z "$contradictions" ] && echo yes || echo no)" \
        "the whole audit, read again: $(wc -l <"$kept/audit.jsonl") records; ${contradictions:-none says otherwise}"
    sockgate status -j | jq -r '.kernel.counters | "    \(.asked) questions asked by the kernel, "
        + "\(.hit_allow + .hit_deny) more calls answered from its cache without asking"'
    tell "$DEMO_PREPARED s to prepare, $1 s for machines and story. Kept in ${kept#"$LAB_REPO"/}: audit.jsonl, \
gateway.pcap, and what each program said."
    [ "$steps_bad" = 0 ] && [ -z "$contradictions" ]
}
