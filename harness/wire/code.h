/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an address tells of the code behind it; and what tells user code of one program from that of another: the plugin sees addresses, which each program has for
 * itself, and the bytes behind them. A piece is 4 KiB of memory, aligned, so never more than a page of any size; it
 * comes from the same place of a file wherever it was loaded. */
#ifndef GRANULE_WIRE_CODE_H
#define GRANULE_WIRE_CODE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define CODE_PIECE 4096u

/* Bit 55 selects TTBR1 (Arm ARM D8.2): the kernel's half, its entry trampoline and modules included. */
static inline bool code_is_kernel(uint64_t address)
{
	return address >> 55 & 1;
}

/* FNV-1a on words of 64 bits, little-endian on every host that QEMU's plugin is built for; never 0, which stands for
 * kernel code. */
static inline uint64_t code_digest(const unsigned char piece[CODE_PIECE])
{
	uint64_t h = UINT64_C(0xcbf29ce484222325), word;

	for (unsigned int i = 0; i < CODE_PIECE; i += sizeof(word)) {
		memcpy(&word, piece + i, sizeof(word));
		h = (h ^ word) * UINT64_C(0x100000001b3);
		h ^= h >> 29;
	}
	return h ? h : 1;
}

#endif
