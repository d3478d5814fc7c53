#!/bin/sh
# h2load: 10,000 requests over 32 connections of HTTP/1.1, ids from a file.
#
#   lab/examples/h2load.sh [URL]
set -eu
url=${1-http://127.0.0.1:5000}
list=$(mktemp)
trap 'rm -f "$list"' EXIT
awk -v url="$url" 'BEGIN { srand(1); for (i = 0; i < 10000; i++)
    printf "%s/request?request_id=%d\n", url, 100000 + int(900000 * rand()) }' >"$list"
h2load --h1 -n 10000 -c 32 -i "$list"
