#!/bin/sh
# wrk: one thread, 32 connections, ten seconds of random ids; then how many each replica answered.
#
#   lab/examples/wrk.sh [URL] [seconds]
set -eu
exec wrk -t1 -c32 -d"${2-10}" --latency -s "$(dirname -- "$0")/wrk.lua" "${1-http://127.0.0.1:5000}"
