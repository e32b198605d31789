-- SPDX-License-Identifier: GPL-2.0-or-later
-- Of the settings :asked (names, commas between) those that are not what the command line said.
SELECT a || ' (it is ' || coalesce(current_setting(a, true), 'not there') || ', from ' || coalesce(s.source, 'nowhere') || ')'
	FROM unnest(string_to_array(:'asked', ',')) AS a LEFT JOIN pg_settings AS s ON lower(s.name) = a
	-- a name with a dot is in the view only once its extension is loaded
	WHERE s.source IS DISTINCT FROM 'command line' AND NOT (s.name IS NULL AND current_setting(a, true) IS NOT NULL)
	ORDER BY a;
