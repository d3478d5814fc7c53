#!/bin/sh
# The batch file of one founding program, as shell: remove replica 1, add replica 4, send 1,000 requests, and count who
# answered by the lines of /requests/NAME that hold a number.
#
#   batch.sh URL        prints "NAME COUNT" a line
set -eu
url=$1

call() { curl --silent --show-error --fail --max-time 60 "$@"; }

call -X DELETE --data 'server_id=1' "$url/rm" >/dev/null
call -X POST --data 'server_id=4' "$url/add" >/dev/null
call "$url/request?request_id=[1-1000]" >/dev/null
for name in 2 3 4; do
    call "$url/requests/$name" | grep -c '[0-9]' | sed "s/^/$name /"
done
