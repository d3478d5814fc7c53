# lib.sh - what the scripts share. Sourced, never run: it moves to the project's root and defines two functions.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

# Prints a line that stands out from what the tools print.
say() {
    printf '==> %s\n' "$*"
}

# A balancer needs two descriptors a connection, and a shell often allows 1,024: take what the system lets us have.
raise_open_files() {
    hard=$(ulimit -Hn)
    [ "$hard" != unlimited ] && [ "$hard" -lt 1048576 ] || hard=1048576
    [ "$(ulimit -Sn)" != unlimited ] || return 0
    [ "$(ulimit -Sn)" -ge "$hard" ] || ulimit -Sn "$hard" || true
}
