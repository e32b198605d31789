-- SPDX-License-Identifier: GPL-2.0-or-later
-- What the server is: its version, its shared memory, and every setting that is not the default or that matters here.
-- A line "NAME<tab>VALUE<tab>UNIT<tab>SOURCE" each.
SELECT 'version', version(), '', '';
SELECT 'shared_memory_bytes', sum(allocated_size), 'B', 'pg_shmem_allocations' FROM pg_shmem_allocations;
SELECT name, setting, coalesce(unit, ''), source FROM pg_settings
	WHERE source <> 'default' OR name IN ('server_version_num', 'block_size', 'wal_block_size', 'segment_size',
		'wal_segment_size', 'shared_buffers', 'shared_memory_size', 'shared_memory_size_in_huge_pages', 'huge_pages',
		'huge_pages_status', 'huge_page_size', 'shared_memory_type', 'wal_buffers', 'full_page_writes', 'fsync',
		'synchronous_commit', 'wal_compression', 'data_checksums', 'io_method', 'max_wal_size', 'checkpoint_timeout',
		'checkpoint_completion_target')
	ORDER BY name COLLATE "C";
