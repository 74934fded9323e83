# tell.sh - how the story is told: headings, commands, what programs said, audit lines (sourced).
# shellcheck shell=bash

tell_width=116
if [ -n "${DEMO_COLOUR:-}" ]; then
    t_bold=$'\e[1m' t_dim=$'\e[2m' t_red=$'\e[31m' t_green=$'\e[32m' t_yellow=$'\e[33m' t_off=$'\e[0m'
else
    t_bold='' t_dim='' t_red='' t_green='' t_yellow='' t_off=''
fi
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
*[Uu][Tt][Ff]*) t_yes='✓' t_no='✗' t_bar='│' ;;
*) t_yes='ok' t_no='!!' t_bar='|' ;;
esac

# tell_heading TEXT: of a scene.
tell_heading() { printf '\n%s%s%s\n' "$t_bold" "$1" "$t_off"; }

# tell TEXT: a paragraph.
tell() { fold -s -w $((tell_width - 6)) <<<"$1" | sed 's/^/    /; s/ *$//'; }

# tell_command TEXT [MACHINE]: as typed.
tell_command() { printf '\n  %s%s#%s %s%s%s\n' "$t_dim" "${2:-workload}" "$t_off" "$t_bold" "$1" "$t_off"; }

# tell_output FILE: what a program said: its first two complaints if it had any, else its last
# two lines. What steers a terminal is left out.
tell_output() {
    local text complaints
    text=$(tr '\r' '\n' <"$1" | sed -E 's/\x1b\[[0-9;]*[A-Za-z]//g; s/[^[:print:]\t]//g; s/[[:space:]]+$//; /^$/d')
    complaints=$(grep -iE 'refused|denied|not permitted|: could not' <<<"$text" | uniq) || true
    if [ -n "$complaints" ]; then head -n 2 <<<"$complaints"; else tail -n 2 <<<"$text"; fi |
        cut -c "1-$((tell_width - 6))" | sed "s/^/    $t_dim$t_bar$t_off /"
}

# tell_columns APPLICATION VENDOR CATEGORY USER RULE DECISION MS
tell_columns() { printf '%-18.18s %-26.26s %-13.13s %-19.19s %-16.16s %-8.8s %6s' "$@"; }

tell_column_names() {
    printf '    %s' "$t_dim"
    tell_columns APPLICATION VENDOR CATEGORY USER RULE DECISION ms
    printf '%s\n' "$t_off"
}

# tell_row WORD COLUMN...: one line of the audit; WORD (allow, audit, deny) colours the decision.
tell_row() {
    local word=$1 colour=$t_green
    shift
    case $word in
    deny) colour=$t_red ;;
    audit) colour=$t_yellow ;;
    esac
    printf '    %s%s%s\n' "$colour" "$(tell_columns "$@")" "$t_off"
}

# tell_verdict yes|no TEXT: whether it was as it should be.
tell_verdict() {
    if [ "$1" = yes ]; then
        printf '    %s%s%s %s\n' "$t_green" "$t_yes" "$t_off" "$2"
    else
        printf '    %s%s %s%s\n' "$t_red$t_bold" "$t_no" "$2" "$t_off"
    fi
}
