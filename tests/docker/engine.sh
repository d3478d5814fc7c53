#!/bin/sh
# A Docker Engine for the tests alone: its data, its socket, its bridge, and the base image, made without a registry.
#
#   tests/docker/engine.sh up DIR        starts it; prints its socket. Again: does nothing
#   tests/docker/engine.sh restart DIR   ends the engine and starts it again, as a machine's update would
#   tests/docker/engine.sh kill DIR      kills the engine (-9) and starts nothing
#   tests/docker/engine.sh down DIR      ends it and removes what it held; the base image's archive stays
#   tests/docker/engine.sh left DIR      says what is left after down; exit 1 when that is something
#
# Exit 77: it cannot be had here; the reason is printed.
set -eu
command=${1:?up, start, restart, kill, down or left}
mkdir -p "${2:?a directory}"
dir=$(CDPATH='' cd -- "$2" && pwd)
run=$dir/run # as /var/run is on a machine: the socket and what the engine keeps while it runs, mounted as a whole
socket=$run/docker.sock
docker=$(PATH=/usr/bin:$PATH command -v docker || true) # the distribution's, which belongs to its engine

engine() { "$docker" -H "unix://$socket" "$@"; }

skip() {
    echo "no engine: $1" >&2
    exit 77
}

running() { [ -s "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null; }

start() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    for program in dockerd containerd debootstrap docker-compose; do
        command -v "$program" >/dev/null || skip "$program is missing: script/bootstrap docker"
    done
    mkdir -p "$run"
    [ -d /sys/class/net/docker0 ] || : >"$dir/made_bridge"
    rm -f "$dir/pid" "$socket"
    setsid dockerd --data-root "$dir/data" --exec-root "$run/docker" --pidfile "$dir/pid" -H "unix://$socket" ${ENGINE_OPTIONS---live-restore} \
        >>"$dir/dockerd.log" 2>&1 </dev/null &
    for _ in $(seq 600); do
        if engine version >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    tail -n 20 "$dir/dockerd.log" >&2
    skip "dockerd does not start on this machine"
}

# Waits until the engine's process has gone.
stop() {
    running || return 0
    pid=$(cat "$dir/pid")
    kill "-$1" "$pid"
    for _ in $(seq 600); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid"
}

# What the Dockerfile begins with, from the mirror that this machine's own apt uses.
import_base() {
    ! engine image inspect debian:bookworm-slim >/dev/null 2>&1 || return 0
    if [ ! -s "$dir/base.tar" ]; then
        mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
        [ -n "$mirror" ] || skip "apt knows no mirror of bookworm"
        debootstrap --variant=minbase bookworm "$dir/base" "$mirror" >"$dir/debootstrap.log" 2>&1 ||
            skip "debootstrap failed; see $dir/debootstrap.log"
        cp /etc/resolv.conf "$dir/base/etc/resolv.conf"
        tar -C "$dir/base" -cf "$dir/base.tar.new" .
        mv "$dir/base.tar.new" "$dir/base.tar"
        rm -rf "$dir/base"
    fi
    engine import - debian:bookworm-slim <"$dir/base.tar" >/dev/null
}

case $command in
up)
    running || start
    import_base
    echo "$socket"
    ;;
restart)
    stop TERM
    start
    ;;
kill) stop KILL ;;
start) running || start ;;
down)
    running || start # a killed one left its bridges, and a route to nowhere
    engine ps -aq | while read -r id; do engine rm -f "$id" >/dev/null; done
    engine network prune -f >/dev/null
    stop TERM
    for mount in $(awk -v d="$dir/" 'index($2, d) == 1 { print $2 }' /proc/mounts | sort -r); do umount "$mount" || true; done
    rm -rf "$dir/data" "$run" "$dir/pid"
    # The bridge of every engine's default network: ours to remove when there was none, and nobody else has come.
    if [ -e "$dir/made_bridge" ] && ! pgrep -x dockerd >/dev/null && [ -d /sys/class/net/docker0 ]; then ip link del docker0; fi
    rm -f "$dir/made_bridge"
    ;;
left)
    code=0
    for process in $(pgrep -f -- "$run/" || true); do
        [ "$process" -ne $$ ] || continue
        echo "left is process $process: $(tr '\0' ' ' <"/proc/$process/cmdline")" >&2
        code=1
    done
    if grep -F " $dir/" /proc/mounts >&2; then
        echo "left are these mounts" >&2
        code=1
    fi
    if ip -o addr | grep -E ' 10\.247\.4[34]\.' >&2; then # the networks of docker-compose.yml and of host.py
        echo "left are these bridges" >&2
        code=1
    fi
    exit "$code"
    ;;
*)
    echo "tests/docker/engine.sh: unknown command $command" >&2
    exit 2
    ;;
esac
