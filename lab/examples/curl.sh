#!/bin/sh
# Every route of the traffic port once, then 1,000 requests counted by replica.
#
#   lab/examples/curl.sh [URL]
set -eu
url=${1-http://127.0.0.1:5000}

call() {
    printf '%s\n  ' "curl $*"
    curl --silent --show-error --write-out '\n  -> %{http_code} in %{time_total} s\n' "$@"
}

call "$url/rep"
call "$url/home"
call "$url/request?request_id=132574"
call -X POST "$url/add" -d '{"n": 2, "hostnames": ["S5"]}'
call -X POST "$url/add" -d server_id=S6
call -X DELETE "$url/rm" -d '{"n": 3, "hostnames": ["S5", "S6"]}'
call -X POST "$url/reload"
call "$url/add"

echo "1,000 requests:"
# One curl process, one connection: a list of URLs in its configuration language.
awk -v url="$url" 'BEGIN { srand(1); for (i = 0; i < 1000; i++) {
    printf "url = \"%s/request?request_id=%d\"\noutput = /dev/null\n", url, 100000 + int(900000 * rand()) } }' |
    curl --silent --config - --write-out '%header{x-served-by}\n' | sort | uniq -c
