// SPDX-License-Identifier: GPL-2.0-or-later
/* Domain XML: one small function per element over a filled-in struct. Knows no libvirt and touches no file. */
#include "guest/domain.h"

#include <libxml/xmlwriter.h>
#include <string.h>

#include "base/mem.h"
#include "wire/job.h"
#include "wire/wire.h"

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"
/* 2020-01-01T00:00:00Z: every guest wakes up at the same moment. */
#define GUEST_EPOCH "1577836800"

/* The writer works in memory: running out of that is all that can go wrong. */
static void must(int rc)
{
	if (rc < 0)
		xrealloc(NULL, (size_t)-1, 2); /* aborts with the message for lack of memory */
}

static void open_element(xmlTextWriter *w, const char *name)
{
	must(xmlTextWriterStartElement(w, BAD_CAST name));
}

static void close_element(xmlTextWriter *w)
{
	must(xmlTextWriterEndElement(w));
}

static void attribute(xmlTextWriter *w, const char *name, const char *value)
{
	must(xmlTextWriterWriteAttribute(w, BAD_CAST name, BAD_CAST value));
}

static void text_element(xmlTextWriter *w, const char *name, const char *text)
{
	must(xmlTextWriterWriteElement(w, BAD_CAST name, BAD_CAST text));
}

/* <NAME KEY='VALUE'/> */
static void empty_element(xmlTextWriter *w, const char *name, const char *key, const char *value)
{
	open_element(w, name);
	attribute(w, key, value);
	close_element(w);
}

/* All of it is touched before the guest starts: no first touch of a page is a fault of the host's. Huge pages are as
 * the host's policy gives them, which host.json records. Under TCG memory is not what is measured. */
static void put_backing(xmlTextWriter *w, const struct domain *d)
{
	if (d->basis != BASIS_HARDWARE)
		return;
	open_element(w, "memoryBacking");
	empty_element(w, "allocation", "mode", "immediate");
	close_element(w);
}

static void put_size(xmlTextWriter *w, const struct domain *d)
{
	_cleanup_free_ char *memory = xasprintf("%llu", (unsigned long long)d->memory_bytes);
	_cleanup_free_ char *cpus = xasprintf("%llu", (unsigned long long)d->cpus);

	open_element(w, "memory");
	attribute(w, "unit", "bytes");
	must(xmlTextWriterWriteString(w, BAD_CAST memory));
	close_element(w);
	text_element(w, "vcpu", cpus);
}

static void put_os(xmlTextWriter *w, const struct domain *d)
{
	open_element(w, "os");
	open_element(w, "type");
	attribute(w, "arch", "aarch64");
	attribute(w, "machine", "virt");
	must(xmlTextWriterWriteString(w, BAD_CAST "hvm"));
	close_element(w);
	text_element(w, "kernel", d->kernel);
	text_element(w, "initrd", d->initrd);
	text_element(w, "cmdline", d->command_line);
	close_element(w);
}

/* No <acpi/>: libvirt refuses it without UEFI here, and the guest is described by its device tree. No <pmu/>: a guest has
 * one where KVM has (KVM_CAP_ARM_PMU_V3; QEMU's target/arm/kvm*.c), and state='on' would refuse to start where it has not. */
static void put_features(xmlTextWriter *w)
{
	open_element(w, "features");
	empty_element(w, "gic", "version", "3");
	close_element(w);
}

static void put_cpu(xmlTextWriter *w, const struct domain *d)
{
	open_element(w, "cpu");
	if (strcmp(d->cpu_model, "host") == 0) {
		attribute(w, "mode", "host-passthrough");
	} else {
		attribute(w, "mode", "custom");
		attribute(w, "match", "exact");
		attribute(w, "check", "none"); /* libvirt cannot compare Arm models; QEMU refuses an unknown one */
		open_element(w, "model");
		attribute(w, "fallback", "forbid");
		must(xmlTextWriterWriteString(w, BAD_CAST d->cpu_model));
		close_element(w);
	}
	close_element(w);
}

/* The guest's date follows its own clock from one fixed moment on; otherwise the host's time would leak in. */
static void put_clock(xmlTextWriter *w)
{
	open_element(w, "clock");
	attribute(w, "offset", "absolute");
	attribute(w, "start", GUEST_EPOCH);
	open_element(w, "timer");
	attribute(w, "name", "rtc");
	attribute(w, "track", "guest");
	close_element(w);
	close_element(w);
}

/* A guest has one life: whatever ends it, ends the domain. */
static void put_life(xmlTextWriter *w)
{
	text_element(w, "on_poweroff", "destroy");
	text_element(w, "on_reboot", "destroy");
	text_element(w, "on_crash", "destroy");
}

static void put_serial(xmlTextWriter *w, const struct domain *d)
{
	open_element(w, "serial");
	attribute(w, "type", d->console_path ? "file" : "pty");
	if (d->console_path)
		empty_element(w, "source", "path", d->console_path);
	open_element(w, "target");
	attribute(w, "type", "system-serial");
	attribute(w, "port", "0");
	empty_element(w, "model", "name", "pl011");
	close_element(w);
	close_element(w);
}

static void put_pci_address(xmlTextWriter *w, const char *slot)
{
	open_element(w, "address");
	attribute(w, "type", "pci");
	attribute(w, "domain", "0x0000");
	attribute(w, "bus", "0x00");
	attribute(w, "slot", slot);
	attribute(w, "function", "0x0");
	close_element(w);
}

/* On bus 0 itself: behind a root port, as libvirt would put it, the guest enumerates two more bridges. */
static void put_stream_controller(xmlTextWriter *w)
{
	open_element(w, "controller");
	attribute(w, "type", "virtio-serial");
	attribute(w, "index", "0");
	attribute(w, "ports", "2");
	put_pci_address(w, "0x01");
	close_element(w);
}

static void put_stream(xmlTextWriter *w, const struct domain *d)
{
	open_element(w, "channel");
	attribute(w, "type", "file");
	empty_element(w, "source", "path", d->stream_path);
	open_element(w, "target");
	attribute(w, "type", "virtio");
	attribute(w, "name", WIRE_PORT_NAME);
	close_element(w);
	open_element(w, "address");
	attribute(w, "type", "virtio-serial");
	attribute(w, "controller", "0");
	attribute(w, "bus", "0");
	attribute(w, "port", "1");
	close_element(w);
	close_element(w);
}

/* On bus 0 too, behind the stream's controller. Found in the guest by its serial number. What is read-only has no lock: many
 * guests read one image, and a cache may be read-only. */
static void put_disk(xmlTextWriter *w, const struct domain_disk *disk, size_t i)
{
	const char target[] = { 'v', 'd', (char)('a' + i), '\0' };
	char slot[8];

	snprintf(slot, sizeof(slot), "0x%02zx", i + 2);
	open_element(w, "disk");
	attribute(w, "type", "file");
	attribute(w, "device", "disk");
	open_element(w, "driver");
	attribute(w, "name", "qemu");
	attribute(w, "type", "raw");
	if (disk->cache) {
		attribute(w, "cache", disk->cache);
		attribute(w, "discard", "unmap");
	}
	close_element(w);
	empty_element(w, "source", "file", disk->path);
	open_element(w, "target");
	attribute(w, "dev", target);
	attribute(w, "bus", "virtio");
	close_element(w);
	text_element(w, "serial", disk->serial);
	if (disk->read_only) {
		open_element(w, "readonly");
		close_element(w);
	}
	put_pci_address(w, slot);
	close_element(w);
}

/* Left to itself libvirt adds a USB controller and a balloon. */
static void put_absent(xmlTextWriter *w)
{
	open_element(w, "controller");
	attribute(w, "type", "usb");
	attribute(w, "model", "none");
	close_element(w);
	empty_element(w, "memballoon", "model", "none");
}

static void put_devices(xmlTextWriter *w, const struct domain *d)
{
	const struct domain_disk root = { .path = d->root_path, .serial = JOB_ROOT_SERIAL, .read_only = true };
	size_t place = 0;

	open_element(w, "devices");
	text_element(w, "emulator", d->qemu);
	if (d->root_path)
		put_disk(w, &root, place++);
	for (size_t i = 0; i < d->n_disks; i++)
		put_disk(w, &d->disks[i], place++);
	put_stream_controller(w);
	put_serial(w, d);
	put_stream(w, d);
	put_absent(w);
	close_element(w);
}

static void put_qemu_args(xmlTextWriter *w, const char *const *args)
{
	for (; *args; args++)
		empty_element(w, "qemu:arg", "value", *args);
}

/* What libvirt has no element for. */
static void put_qemu(xmlTextWriter *w, const struct domain *d)
{
	_cleanup_free_ char *seed = xasprintf("%llu", (unsigned long long)d->seed);

	open_element(w, "qemu:commandline");
	/* A person's guest keeps the clock, but waits when it is idle: else it would run ahead and keep a core busy. */
	if (d->basis == BASIS_SIMULATED)
		put_qemu_args(w, (const char *const[]){
					 "-icount", d->console_path ? "shift=1,sleep=off" : "shift=1,sleep=on", NULL });
	put_qemu_args(w, (const char *const[]){ "-seed", seed, NULL });
	if (d->plugin)
		put_qemu_args(w, (const char *const[]){ "-plugin", d->plugin, NULL });
	/* The vCPU's own thread handles the kick; with an eventfd the host's scheduler decides when. */
	put_qemu_args(w, (const char *const[]){ "-global", "virtio-serial-pci.ioeventfd=off", NULL });
	if (d->gdb_path) {
		_cleanup_free_ char *gdb = xasprintf("unix:%s,server=on,wait=off", d->gdb_path);

		put_qemu_args(w, (const char *const[]){ "-gdb", gdb, NULL });
	}
	/* libvirt starts QEMU with -no-shutdown: if granule dies, QEMU would stay after the guest's power-off. */
	put_qemu_args(w, (const char *const[]){ "-action", "shutdown=poweroff", NULL });
	close_element(w);
}

char *domain_xml(const struct domain *d)
{
	xmlBuffer *buffer = xmlBufferCreate();
	xmlTextWriter *w = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
	char *xml;

	must(w ? 0 : -1);
	must(xmlTextWriterSetIndent(w, 1));
	must(xmlTextWriterSetIndentString(w, BAD_CAST "  "));
	open_element(w, "domain");
	attribute(w, "type", d->basis == BASIS_HARDWARE ? "kvm" : "qemu");
	attribute(w, "xmlns:qemu", QEMU_NAMESPACE);
	text_element(w, "name", d->name);
	if (d->uuid)
		text_element(w, "uuid", d->uuid);
	put_size(w, d);
	put_backing(w, d);
	put_os(w, d);
	put_features(w);
	put_cpu(w, d);
	put_clock(w);
	put_life(w);
	put_devices(w, d);
	put_qemu(w, d);
	close_element(w);
	must(xmlTextWriterFlush(w));
	xml = xstrdup((const char *)xmlBufferContent(buffer));
	xmlFreeTextWriter(w);
	xmlBufferFree(buffer);
	return xml;
}
