#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is looked at behind the samples, as the server's user, in the root file system that it runs in:
#   observe.sh settings OUT ASKED       OUT.settings; fails if one of the settings ASKED (names, commas between) was not taken
#   observe.sh settled - CLIENTS        wait until each of that many connections of pgbench has done a transaction
#   observe.sh buffers OUT              OUT.buffers: double buffering (buffered.c)
#   observe.sh logged OUT PGBENCH...    run it with a line a transaction: OUT.report, OUT.transactions; and OUT.io, what the
#                                       server and the device below its data (/dev/storage) have counted before and after
set -e -o pipefail
here=${0%/*} what=$1 out=$2
shift 2
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
export PGHOST=${PGHOST:-/tmp}

ask() {
	psql -XAtq -v ON_ERROR_STOP=1 "$@"
}

counters() {
	local line device
	echo "$1"
	ask -F ' ' -f "$here/counters.sql"
	if [ -e /dev/storage ]; then
		device=$(readlink -f /dev/storage)
		read -r line < "/sys/class/block/${device##*/}/stat"
		echo "device $line"
	fi
}

# All that is dirty, the server's buffers and then the kernel's pages, is written: what is counted between two such moments
# was asked for between them.
quiet() {
	ask -c CHECKPOINT
	sync
}

case $what in
settings)
	ask -F $'\t' -f "$here/settings.sql" > "$out.settings"
	refused=$(ask -v asked="$1" -f "$here/refused.sql")
	if [ -n "$refused" ]; then
		echo "settings that the server did not take: ${refused//$'\n'/, }"
		exit 1
	fi
	;;
settled)
	ask -v clients="$1" -f "$here/settled.sql"
	;;
buffers)
	data=$(ask -c 'SHOW data_directory')
	ask -F ' ' -f "$here/buffers.sql" | "$here/buffered" "$data" > "$out.buffers"
	;;
logged)
	quiet
	counters before > "$out.io"
	if ! "$@" --log --log-prefix="$out.log" > "$out.report" 2>&1; then
		cat "$out.report"
		exit 1
	fi
	quiet
	counters after >> "$out.io"
	cat "$out.log".* > "$out.transactions"
	rm "$out.log".*
	;;
esac
