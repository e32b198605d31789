/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Markers: instructions that do nothing (HINT #imm, Arm ARM C6.2, unallocated hints execute as NOP) and that a QEMU plugin
 * sees. They are in every guest, explained or not, so that an explained boot runs the same instructions as a measured
 * one. */
#ifndef GRANULE_WIRE_MARKER_H
#define GRANULE_WIRE_MARKER_H

#define MARKER_SAMPLE_BEGIN 100 /* the agent, before and after the program of a sample */
#define MARKER_SAMPLE_END 101
#define MARKER_WORK_BEGIN 102 /* a program, around what its metric counts; the first begins, the last ends it */
#define MARKER_WORK_END 103

/* HINT #imm: CRm:op2 is the immediate. */
#define MARKER_CODE(imm) (0xd503201fu | (unsigned int)(imm) << 5)

#ifdef __aarch64__
#define MARKER(imm) __asm__ volatile("hint #%0" : : "i"(imm) : "memory")
#else
#define MARKER(imm) ((void)(imm)) /* an agent or program that a test runs on the host */
#endif

#endif
