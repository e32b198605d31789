-- SPDX-License-Identifier: GPL-2.0-or-later
-- Waits until each of :clients connections of pgbench has ended a transaction: what it has touched is what it will touch. One that is
-- idle and has run something has; one that never rests while it is looked at has once it began a third statement, of which the
-- first may have been a PREPARE.
SET granule.clients = :clients;
DO $$
DECLARE
	seen jsonb := '{}';
	settled integer;
BEGIN
	FOR i IN 1 .. 30000 LOOP
		SELECT seen || coalesce(jsonb_object_agg(pid || '@' || query_start, 1), '{}') INTO seen
			FROM pg_stat_activity WHERE application_name = 'pgbench' AND query <> '';
		SELECT count(*) INTO settled
			FROM pg_stat_activity AS a JOIN (SELECT split_part(key, '@', 1) AS pid, count(*) AS begun
				FROM jsonb_object_keys(seen) AS key GROUP BY 1) AS s ON s.pid = a.pid::text
			WHERE a.state = 'idle' OR s.begun > 2;
		EXIT WHEN settled >= current_setting('granule.clients')::integer;
		IF i = 30000 THEN
			RAISE EXCEPTION 'only % of % connections have done a transaction', settled, current_setting('granule.clients');
		END IF;
		PERFORM pg_sleep(0.02);
		PERFORM pg_stat_clear_snapshot();
	END LOOP;
END $$;
