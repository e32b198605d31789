#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What the parsers' tests read was printed by real daemons: run this as root in a root file system that has Debian's packages
# ceph-mon, ceph-osd and ceph-common (trixie: 18.2.7, sid: 20.2), and copy /out to the version's folder here. It needs the
# two programs of guest/ made for it.
#
#   mmdebstrap --variant=minbase --include=ceph-mon,ceph-osd,ceph-common trixie ROOT
#   cc -D_GNU_SOURCE -static -o ROOT/asok ../guest/asok.c && cc -D_GNU_SOURCE -o ROOT/mon-dynamic ../guest/mon-dynamic.c
#   cp record.sh ROOT && unshare --pid --fork --mount-proc=ROOT/proc chroot ROOT sh /record.sh
set -e

FSID=6772616e-756c-4567-8004-000000000001
OSD=6772616e-756c-4567-8005-000000000001
rm -rf /out /c
mkdir -p /out /c/mon /c/osd /c/run /etc/ceph
cat > /etc/ceph/ceph.conf <<C
[global]
fsid = $FSID
mon_host = [v2:127.0.0.1:3300/0,v1:127.0.0.1:6789/0]
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
bluestore_block_size = 2147483648
osd_mclock_skip_benchmark = true
osd_class_update_on_start = false
osd_crush_update_on_start = false
mon_data = /c/mon
osd_data = /c/osd
run_dir = /c/run
admin_socket = /c/run/\$name.asok
log_file =
log_to_stderr = true
err_to_stderr = true
mon_cluster_log_to_file = false
debug_rocksdb = 1/5
C
ip link set lo up 2>/dev/null || true
monmaptool --create --clobber --fsid $FSID --addv a '[v2:127.0.0.1:3300,v1:127.0.0.1:6789]' /c/monmap
ceph-mon -i a --mkfs --monmap /c/monmap
ceph-mon -f -i a > /out/mon.log 2>&1 &
/asok -w 60 /c/run/mon.a.asok mon_status state=leader > /out/mon-status.json
/mon-dynamic "{\"prefix\": \"osd new\", \"uuid\": \"$OSD\"}" \
	'{"prefix": "osd crush add", "id": 0, "weight": 1.0, "args": ["root=default", "host=granule"]}' \
	'{"prefix": "osd pool create", "pool": "bench", "pg_num": 8, "pgp_num": 8, "pool_type": "replicated"}'
ceph-osd -i 0 --no-mon-config --mkfs --osd-uuid $OSD
ceph-osd -f -i 0 --no-mon-config > /out/osd.log 2>&1 &
/asok -w 60 /c/run/osd.0.asok status state=active num_pgs=8 > /out/osd-status.json
/asok -w 60 /c/run/osd.0.asok dump_pgstate_history pgs~8 pgs.0.currently=Started/Primary/Active/Clean > /out/pgs.json

point() {
	/asok -a /out/readings "$1-$2/mempools" "$3" dump_mempools
	/asok -a /out/readings "$1-$2/heap" "$3" '{"prefix": "heap", "heapcmd": "stats"}'
	/asok -a /out/readings "$1-$2/pricache" "$3" '{"prefix": "perf dump", "logger": "bluestore-pricache"}'
}
bench="rados -p bench bench"
/asok -a /out/readings start/mon /c/run/mon.a.asok mon_status
/asok -a /out/readings start/osd /c/run/osd.0.asok status
/asok -a /out/readings start/clean /c/run/osd.0.asok status
$bench 600 write -b 4096 -t 4 --max-objects 500 --no-cleanup --format=json > /out/write.txt 2>&1
point n osd /c/run/osd.0.asok
point n mon /c/run/mon.a.asok
$bench 600 write -b 4096 -t 4 --max-objects 1500 --no-cleanup --format=json > /dev/null 2>&1
point 4n osd /c/run/osd.0.asok
point 4n mon /c/run/mon.a.asok
/asok /c/run/osd.0.asok 'cache drop'
/asok -a /out/readings released-osd/release /c/run/osd.0.asok '{"prefix": "heap", "heapcmd": "release"}'
point released osd /c/run/osd.0.asok
for i in 0 1 2 3; do
	$bench 600 write -b 4096 -t 4 --max-objects 200 --format=json > /dev/null 2>&1
	/asok -a /out/readings round-$i/mempools /c/run/osd.0.asok dump_mempools
	/asok -a /out/readings round-$i/heap /c/run/osd.0.asok '{"prefix": "heap", "heapcmd": "stats"}'
done
$bench 600 write -b 4096 -O 65536 -t 4 --max-objects 100 --no-cleanup --format=json > /out/write-blocks.txt 2>&1
$bench 600 seq -t 4 --format=json > /out/seq.txt 2>&1
$bench 1 rand -t 4 --format=json > /out/rand.txt 2>&1
# no pool of that name
rados -p none bench 1 rand -t 4 --format=json > /out/no-pool.txt 2>&1 || true
# a daemon's end
kill -SEGV "$(pidof ceph-osd)"
sleep 5
kill "$(pidof ceph-mon)"
wait || true
