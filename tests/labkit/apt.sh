# apt.sh - a private apt configuration for what the lab takes from Debian (sourced, not run).
#
# Kernels and QEMU come from suites the machine may not have configured (backports).
# They are read through lists of our own below the cache, so that the machine's
# configuration stays as it is; the mirrors are those the machine itself uses.
# shellcheck shell=bash

LAB_CACHE=${SOCKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sockgate}
# A second and later run may come from a tool that changed HOME or SOCKGATE_CACHE.
export SOCKGATE_CACHE=$LAB_CACHE

lab_say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
lab_die() {
    lab_say "$*"
    exit 125
}

# lab_locked NAME COMMAND...: runs a command or function under the cache's lock NAME.
lab_locked() {
    local name=$1 fd rc=0
    shift
    mkdir -p "$LAB_CACHE/locks"
    exec {fd}>"$LAB_CACHE/locks/$name"
    flock "$fd"
    "$@" {fd}>&- || rc=$?
    exec {fd}>&-
    return "$rc"
}

# The machine's own Debian mirrors as "URI SUITE", security suites apart.
lab_mirrors() {
    # shellcheck disable=SC2016 # the $(...) are apt's
    apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 2>/dev/null | awk '$3 == "main" { print $1, $2 }' | sort -u
}

# The release whose packages are meant.  Kernels come from others as well.
lab_suite=bookworm

# Where its lists are.
lab_apt_dir() {
    case $lab_suite in
    bookworm) echo "$LAB_CACHE/apt" ;;
    *) echo "$LAB_CACHE/apt-$lab_suite" ;;
    esac
}

# Writes the source list: every part of the release, backports included.
lab_write_sources() {
    local out=$1 main security suite options='signed-by=/usr/share/keyrings/debian-archive-keyring.gpg'
    local -a suites=("$lab_suite") late=()
    main=$(lab_mirrors | awk '$2 == "bookworm" { print $1; exit }')
    security=$(lab_mirrors | awk '$2 == "bookworm-security" { print $1; exit }')
    [ -n "$main" ] || lab_die "no bookworm mirror in this machine's apt configuration: add one to /etc/apt/sources.list"
    case $lab_suite in
    bookworm)
        suites+=(bookworm-updates bookworm-backports)
        late=(bookworm-security)
        ;;
    bullseye) late=(bullseye-security) ;;
    # A mirror may keep an old state of it, signed for some days only.
    sid) options+=' check-valid-until=no' ;;
    esac
    for suite in "${suites[@]}"; do echo "deb [$options] $main $suite main"; done >"$out"
    [ -z "$security" ] || for suite in "${late[@]}"; do echo "deb [$options] $security $suite main"; done >>"$out"
}

# lab_apt TOOL ARG...: apt-get or apt-cache on the private lists.
lab_apt() {
    local tool=$1 dir
    dir=$(lab_apt_dir)
    shift
    "$tool" -q -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$dir/lists" -o Dir::Cache::archives="$dir/archives" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

lab_apt_update_locked() {
    local dir
    dir=$(lab_apt_dir)
    mkdir -p "$dir/lists/partial" "$dir/archives/partial"
    lab_write_sources "$dir/sources.list.new"
    mv "$dir/sources.list.new" "$dir/sources.list"
    lab_apt apt-get update >"$dir/update.log" 2>&1 || {
        tail -n 20 "$dir/update.log" >&2
        lab_die "apt-get update failed on the mirrors in $dir/sources.list"
    }
    touch "$dir/updated"
}

# Package lists no older than a day; a package that vanished meanwhile needs `lab_apt_update force`.
lab_apt_update() {
    local dir
    dir=$(lab_apt_dir)
    [ "${1:-}" != force ] && [ -n "$(find "$dir/updated" -mtime -1 2>/dev/null)" ] && return
    lab_locked "${dir##*/}" lab_apt_update_locked
}
