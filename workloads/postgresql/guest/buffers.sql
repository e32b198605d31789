-- SPDX-License-Identifier: GPL-2.0-or-later
-- Every buffer that holds a block of a relation, for buffered.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_buffercache;
SELECT current_setting('block_size'), setting FROM pg_settings WHERE name = 'segment_size';
COPY (SELECT reltablespace, reldatabase, relfilenode, relforknumber, relblocknumber FROM pg_buffercache
	WHERE relfilenode IS NOT NULL) TO STDOUT WITH (DELIMITER ' ');
