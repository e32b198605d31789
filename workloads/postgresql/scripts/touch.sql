-- SPDX-License-Identifier: GPL-2.0-or-later
-- Touches every block of the accounts, and few of their rows: what a backend's page tables are of that reads all of a table.
SELECT count(*) FROM pgbench_accounts TABLESAMPLE BERNOULLI (0.1);
