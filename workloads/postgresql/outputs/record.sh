#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What the parsers' test reads was printed by real servers: run this as root in a root file system that has Debian's package
# postgresql (bookworm: 15, trixie: 17, forky: 18), and copy /out to the version's folder here.
#
#   mmdebstrap --variant=apt --include=postgresql trixie ROOT && cp -r record.sh ../guest ROOT &&
#	gcc -O2 -static -D_GNU_SOURCE ../guest/buffered.c -o ROOT/guest/buffered && chroot ROOT sh /record.sh
#
# observed.* and server.settings were recorded later than the rest, by the same commands; their transactions are left out.
set -e

if [ "$1" != as-postgres ]; then
	mkdir -p /out /pg
	chown postgres /out /pg
	exec su postgres -s /bin/sh -c "sh $(readlink -f "$0") as-postgres"
fi

PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH
cd /pg
initdb -D d -U postgres -A trust --no-locale -E UTF8 -N > initdb.txt
cat >> d/postgresql.conf <<C
listen_addresses = ''
unix_socket_directories = '/pg'
shared_buffers = 128MB
huge_pages = off
max_wal_size = 64MB
min_wal_size = 32MB
wal_level = minimal
max_wal_senders = 0
checkpoint_completion_target = 0.5
log_checkpoints = on
log_line_prefix = '%n [%p] '
autovacuum = off
jit = off
C
pg_ctl -D d -l /out/server.log -o '--work_mem=8MB --jit=off' -w start > /dev/null
export PGHOST=/pg PGUSER=postgres
createdb b
pgbench -i -I dtGvp -s 5 -q b > /out/init.txt 2>&1
pgbench -n -M prepared -S -c 2 -j 1 -t 2000 b > /out/select-only.txt 2>&1
pgbench -n -M prepared -b tpcb-like -c 2 -j 1 -T 6 -P 2 --random-seed=42 b > /out/tpcb-like.txt 2>&1
# a checkpoint begins and ends among its transactions
(sleep 0.2; psql -qc checkpoint b) &
pgbench -n -M prepared -N -c 2 -j 1 -t 1000 --random-seed=42 --log --log-prefix=/pg/simple-update b \
	> /out/simple-update.txt 2>&1
wait
mv simple-update.[0-9]* /out/simple-update.log
# more than it can do, so that some are skipped
pgbench -n -M prepared -N -R 2000 -L 2 -c 2 -j 1 -T 1 --random-seed=42 --log --log-prefix=/pg/rate b > /out/rate.txt 2>&1
mv rate.[0-9]* /out/rate.log
printf '\\set aid random(1, 100000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n' > custom.sql
pgbench -n -f custom.sql@2 -f custom.sql@1 -c 2 -j 1 -t 300 b > /out/custom.txt 2>&1
printf 'SELECT 1/0;\n' > bad.sql
! pgbench -n -f bad.sql -c 2 -j 1 -t 3 b > /out/aborted.txt 2>&1
bash /guest/observe.sh settings /out/server work_mem,jit
! bash /guest/observe.sh settings /out/refused work_mem,application_name,autovacuum > /out/refused.txt 2>&1
rm /out/refused.settings
bash /guest/observe.sh logged /out/observed pgbench -n -M prepared -b simple-update -c 2 -j 1 -t 1000 --random-seed=42 b
bash /guest/observe.sh buffers /out/observed
rm /out/observed.transactions
pg_ctl -D d -m fast stop > /dev/null
