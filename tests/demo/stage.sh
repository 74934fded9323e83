# stage.sh - what has to be there before the story begins (sourced; on the workload).
# shellcheck shell=bash disable=SC2154 # the variables of story

# stage_begin NAME COMMAND...: in the background; stage_ready NAME waits for its end.
declare -A stage_pid=()
stage_begin() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    stage_pid[$name]=$!
}

stage_ready() {
    local name
    for name; do
        wait "${stage_pid[$name]}" || {
            cat "$work/$name.log" >&2
            lab_die "the demo's stage could not be set: $name"
        }
    done
}

# Names instead of numbers, and a name server that would see a question if one left.
stage_names() {
    local machine
    cat >>/etc/hosts <<EOT
10.77.1.1 gateway
10.77.1.2 workload
10.77.1.3 server
198.51.100.9 $site
EOT
    echo 'nameserver 198.51.100.9' >/etc/resolv.conf
    cp /etc/hosts "$DEMO_OUT/last/hosts"
    for machine in server gateway; do
        on "$machine" cp "$DEMO_OUT/last/hosts" /etc/hosts
        on "$machine" sh -c 'echo nameserver 198.51.100.9 >/etc/resolv.conf'
    done
}

stage_users() {
    local user id=1501
    for user in carol dave erin frank; do
        echo "$user:x:$id:$id::/tmp:/bin/sh" >>/etc/passwd
        echo "$user:x:$id:" >>/etc/group
        id=$((id + 1))
    done
}

stage_files() {
    cp "$here"/{fetch.py,loop.py,page.js,container} "$DEMO_OUT"/{stranger,browser,ring} "$work/"
    head -c 300000 /dev/zero >"$work/film.mkv"
    transmission-create -o "$work/film.torrent" -t "http://$site/announce" "$work/film.mkv" >/dev/null
    mkdir -p "$work/downloads" "$work/www"
    echo 'Hello from the workload.' >"$work/www/index.html"
    cat >"$work/nginx.conf" <<EOT
pid $work/nginx.pid;
error_log $work/nginx.log;
events {}
http {
    access_log off;
    server {
        listen 80;
        root $work/www;
    }
}
EOT
    chmod 755 "$work"
}

stage_sockgate() {
    cat >"$work/agent.conf" <<EOT
directory_domains = [ "corp.example", "guest.example" ];
# An emulated machine takes its time to look a user up.
user_wait_ms = 4000;
EOT
    LAB_AGENT_CONF=$work/agent.conf LAB_UP_WAIT=60 lab-up "$here/policy.conf"
}

stage_all() {
    stage_names
    stage_users
    stage_begin sockgate stage_sockgate
    stage_begin internet on internet "$here/internet"
    stage_begin slapd on server "$here/directory" start
    stage_files
    stage_ready internet
    on gateway lab-capture start
    stage_ready sockgate slapd
    audit_open
    stage_begin directory "$here/directory" join
}
