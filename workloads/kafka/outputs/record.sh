#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Record what Kafka's tools and a JVM print, on this host: record.sh JARS OUT. JARS is a folder that Maven filled from ../pom.xml
# (mvn -f ../pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=JARS); about a minute.
set -eu
jars=$1 out=$2
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'kill %1 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
mkdir -p "$out"
cat >"$dir/p" <<-EOF
	process.roles=broker,controller
	node.id=1
	controller.quorum.voters=1@127.0.0.1:19093
	listeners=PLAINTEXT://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093
	advertised.listeners=PLAINTEXT://127.0.0.1:19092
	controller.listener.names=CONTROLLER
	listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
	log.dirs=$dir/logs
	offsets.topic.replication.factor=1
	offsets.topic.num.partitions=1
	log.cleaner.enable=false
	group.initial.rebalance.delay.ms=0
EOF
run() {
	timeout 60 java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dlog4j2.StatusLogger.level=OFF -cp "$jars/*" "$@" 2>&1
}
run kafka.tools.StorageTool format -t Z3JhbnVsZS1rYWZrYS0wMA -c "$dir/p" >/dev/null
for gc in Serial G1 Parallel; do
	timeout 50 java -Xmx64m -XX:+Use${gc}GC -Xlog:gc:file="$out/gc.$gc.log::filecount=0" \
		-Xlog:pagesize:file="$out/pagesize.$gc.log::filecount=0" -Xlog:cds:file="$out/cds.none.log::filecount=0" \
		-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" kafka.Kafka "$dir/p" >"$dir/log" 2>&1 &
	for i in $(seq 40); do (: </dev/tcp/127.0.0.1/19092) 2>/dev/null && break; sleep 0.5; done
	sleep 1
	producer="org.apache.kafka.tools.ProducerPerformance --topic t$gc --record-size 1024 --throughput -1"
	run $producer --num-records 60000 --producer-props bootstrap.servers=127.0.0.1:19092 acks=1 >"$out/producer.$gc"
	run org.apache.kafka.tools.ConsumerPerformance --bootstrap-server 127.0.0.1:19092 --topic t$gc --messages 60000 >"$out/consumer.$gc"
	if [ $gc = Serial ]; then
		run org.apache.kafka.tools.ConsumerPerformance --bootstrap-server 127.0.0.1:19092 --topic t$gc --messages 70000 \
			--timeout 3000 >"$out/consumer.short" || true
	fi
	kill $!
	wait $! || true
done
# nobody answers
run org.apache.kafka.tools.ProducerPerformance --topic x --record-size 10 --throughput -1 --num-records 5 --producer-props \
	bootstrap.servers=127.0.0.1:19099 max.block.ms=1000 >"$out/producer.nobody" || true
java -version >"$out/java.version" 2>&1
