-- SPDX-License-Identifier: GPL-2.0-or-later
-- What the server has counted since its start, a line "VIEW.COLUMN NUMBER" each, of the views that this version has.

-- A backend adds its counts as it ends, and a client may be gone before its backend is.
DO $$
BEGIN
	WHILE EXISTS (SELECT FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) LOOP
		PERFORM pg_sleep(0.01);
		PERFORM pg_stat_clear_snapshot();
	END LOOP;
END $$;
SELECT format($q$SELECT '%1$s.' || key, value FROM %1$s AS v, jsonb_each_text(to_jsonb(v))
	WHERE value ~ '^[0-9]+([.][0-9]+)?$'$q$, name)
	FROM unnest(ARRAY['pg_stat_wal', 'pg_stat_bgwriter', 'pg_stat_checkpointer']) AS name
	WHERE to_regclass(name) IS NOT NULL \gexec
-- a row for each kind of process, object and context; what is 0 is left out
SELECT $q$SELECT concat_ws('.', 'pg_stat_io', replace(backend_type, ' ', '-'), replace(object, ' ', '-'), context, key), value
	FROM pg_stat_io AS v, jsonb_each_text(to_jsonb(v)) WHERE value ~ '^[0-9]+([.][0-9]+)?$' AND value <> '0'$q$
	WHERE to_regclass('pg_stat_io') IS NOT NULL \gexec
