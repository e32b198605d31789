// SPDX-License-Identifier: GPL-2.0-or-later
// One workload: memory against cost, what its memory is made of, which folios. On paper it is a page, with its rows of
// the overview.
import {figure, h, table} from "./dom.js";
import {number, plural, size} from "./format.js";
import {partColour, stackChart, tradeChart} from "./charts.js";
import {heatTable} from "./heat.js";
import {short} from "./data.js";

const MEMORY = ["memory.peak", "memory.own", "process.pss"];
// What a cost is called: on the instruction clock it is no time.
const COSTS = [
	{suffix: "ops_per_s", basis: "hardware", label: "operations per second"},
	{suffix: "insns_per_mib", basis: "simulated", label: "instructions per MiB: path length, not time"},
	{suffix: "insns_per_op", basis: "simulated", label: "instructions per operation: path length, not time"},
	{suffix: "cost_insns", basis: "simulated", label: "instructions per sample: path length, not time"},
	{suffix: "ns_per_mib", label: "ns per MiB"},
	{suffix: "ns_per_op", label: "ns per operation"},
	{suffix: "cost_ns", label: "ns per sample"},
];
const PARTS = [
	["anon", "memory.anon"],
	["page cache and shmem", "memory.file"],
	["page tables", "memory.pagetables"],
	["slab", "memory.slab"],
	["other kernel memory", "memory.kernel"],
];
const KINDS = [
	["anon", "anonymous memory"],
	["shmem", "shared memory"],
	["file", "mapped files"],
	["cache", "page cache"],
];
const BARS = {screen: 24, print: 10},
	PRINT_ROWS = 16;

const sides = (v) => [v?.base ?? null, v?.other ?? null];

export class WorkloadView {
	constructor(model, workload) {
		this.model = model;
		this.workload = workload;
		this.pairs = model.pairs.filter((p) => p.workload === workload);
		this.rows = model.rows.filter((r) => r.pair.workload === workload);
		this.place = h("div", {class: "workload-body"});
		this.element = h(
			"section",
			{class: "workload", "data-workload": workload, "aria-label": `Workload ${workload}`},
			h(
				"h3",
				null,
				h("span", {class: "muted"}, "workload "),
				workload,
				" ",
				h(
					"span",
					{class: "muted count"},
					plural(this.pairs.length, model.mode === "show" ? "cell" : "pair"),
				),
			),
			this.place,
		);
	}

	value(pair, suffix) {
		for (const phase of this.model.phases[pair.index]) {
			const metric = this.model.byName.get(`${phase}.${suffix}`),
				v = metric && this.model.value(metric, pair);

			if (v && (v.base !== null || v.other !== null)) return v;
		}
		return null;
	}

	// The name of a pair without its workload, which the heading has; @arm: with its arm where there are several.
	name(pair, arm = true) {
		return (arm ? this.model.title(pair) : pair.name).replace(`.${this.workload}`, "");
	}

	render(width, print) {
		const charts = [this.trade(width), this.split(width, print), ...this.folios(width, print)].filter(
			(f) => f,
		);

		this.place.replaceChildren(
			...(print ? [heatTable(this.model, this.rows, PRINT_ROWS)] : []),
			charts.length
				? h("div", {class: "charts"}, charts)
				: h("p", {class: "muted"}, "No boot of this workload gave numbers to draw."),
		);
	}

	cost() {
		const bases = new Set(this.pairs.map((p) => p.basis));

		return COSTS.find(
			(c) => (!c.basis || bases.has(c.basis)) && this.pairs.some((p) => this.value(p, c.suffix)),
		);
	}

	trade(width) {
		const cost = this.cost(),
			memory = MEMORY.find((m) => this.pairs.some((p) => this.value(p, m)));

		if (!cost || !memory) return null;
		const items = this.pairs
			.map((pair) => {
				const [bx, ox] = sides(this.value(pair, memory)),
					[by, oy] = sides(this.value(pair, cost.suffix));

				return {
					name: this.name(pair),
					base: bx === null || by === null ? null : {x: bx, y: by},
					other: ox === null || oy === null ? null : {x: ox, y: oy},
				};
			})
			.filter((d) => d.base);
		const numbers = () =>
			table(
				`${memory} and ${cost.suffix}`,
				[
					{title: "cell", head: true},
					{title: "memory", right: true},
					{title: "", right: true},
					{title: "cost", right: true},
					{title: "", right: true},
				],
				items.map((d) => [
					d.name,
					number(d.base.x, "bytes"),
					d.other && number(d.other.x, "bytes"),
					number(d.base.y, ""),
					d.other && number(d.other.y, ""),
				]),
			);

		return items.length
			? figure(
					"Memory against cost",
					`${memory} against ${cost.suffix}. ` +
						(this.model.mode === "show"
							? "A dot a cell."
							: `Hollow: ${this.sideNames()[0]}; filled: ${this.sideNames()[1]}.`),
					tradeChart(items, "bytes", cost.label, "", width),
					numbers,
				)
			: null;
	}

	sideNames() {
		const arms = this.model.raw.arms;

		if (!arms.length) return ["", ""];
		return [short(arms[0].base), arms.length === 1 ? short(arms[0].other) : "the others"];
	}

	// Bars of both sides of each pair, base first.
	bars(print, make) {
		const seen = new Set(),
			rows = [],
			arms = this.model.raw.arms,
			show = this.model.mode === "show";

		for (const pair of this.pairs.slice(0, BARS[print ? "print" : "screen"])) {
			const name = this.name(pair, false);

			// in several arms the base is one cell: once
			if (!seen.has(pair.base))
				rows.push({
					name: show ? name : `${name} ${short(arms[pair.arm].base)}`,
					parts: make(pair, "base"),
				});
			seen.add(pair.base);
			if (!show)
				rows.push({
					name: `${name} ${short(arms[pair.arm].other)}`,
					parts: make(pair, "other"),
				});
		}
		return rows.filter((r) => r.parts.some((p) => p.v > 0));
	}

	// @ordered: the keys are sizes, small to large, and their colours a scale.
	stack(title, description, keys, rows, unit, width, print, ordered = false) {
		const used = keys.filter((key) => rows.some((r) => r.parts.some((p) => p.part === key && p.v > 0)));
		const shown = rows.map((r) => ({...r, parts: r.parts.filter((p) => used.includes(p.part))}));
		const of =
			this.pairs.length > BARS[print ? "print" : "screen"]
				? ` The first ${BARS[print ? "print" : "screen"]} of ${this.pairs.length}.`
				: "";

		if (!rows.length || !used.length) return null;
		const f = figure(title, description + of, stackChart(shown, used, unit, width, ordered), () =>
			table(
				title,
				[{title: "cell", head: true}, ...used.map((key) => ({title: key, right: true}))],
				shown.map((r) => [
					r.name,
					...used.map((key) =>
						number(r.parts.find((p) => p.part === key)?.v ?? null, unit),
					),
				]),
			),
		);

		f.querySelector(".chart").before(
			h(
				"ul",
				{class: "legend"},
				used.map((key, k) =>
					h(
						"li",
						null,
						h("span", {
							class: "swatch",
							style: `background:${partColour(k, used.length, ordered)}`,
						}),
						key,
					),
				),
			),
		);
		return f;
	}

	// What the cgroup is charged at the test's greatest extent, in parts that do not overlap.
	split(width, print) {
		const parts = this.chargedParts(),
			description = "Charged to the workload's cgroup at its greatest extent.";

		return parts.length
			? this.stack(
					"What the memory is",
					description,
					parts.map((p) => p.name),
					this.bars(print, (pair, side) =>
						parts.map((p) => ({
							part: p.name,
							v: this.value(pair, p.suffix)?.[side] ?? 0,
						})),
					),
					"bytes",
					width,
					print,
				)
			: this.plainSplit(description, width, print);
	}

	// charged.PART, the largest first, the small ones and what no counter names together.
	chargedParts() {
		const found = new Map();

		for (const m of this.model.metrics) {
			const part = /^charged\.(?!total$)(\w+)$/.exec(m.suffix)?.[1];
			const most = part
				? Math.max(0, ...this.pairs.flatMap((p) => sides(this.model.value(m, p))))
				: 0;

			if (most > 0)
				found.set(m.suffix, {
					suffix: m.suffix,
					name: part,
					most: Math.max(most, found.get(m.suffix)?.most ?? 0),
				});
		}
		return [...found.values()].sort((a, b) => b.most - a.most);
	}

	// Of runs that have no charged.*: slab and page tables are taken out of the kernel's.
	plainSplit(description, width, print) {
		const parts = (pair, side) => {
			const v = PARTS.map(([part, suffix]) => ({part, v: this.value(pair, suffix)?.[side] ?? 0}));

			v[4].v = Math.max(0, v[4].v - v[2].v - v[3].v);
			return v;
		};

		return this.stack(
			"What the memory is",
			description,
			PARTS.map(([part]) => part),
			this.bars(print, parts),
			"bytes",
			width,
			print,
		);
	}

	folios(width, print) {
		const walked = KINDS.map(([kind, what]) => this.walkedFolios(kind, what, width, print)).filter(
			(f) => f,
		);

		return walked.length ? walked.slice(0, print ? 2 : KINDS.length) : [this.countedFolios(width, print)];
	}

	// folio.KIND.order_N of the walk of page tables: number times size, so that a bar is bytes.
	walkedFolios(kind, what, width, print) {
		const orders = this.model.metrics
			.map((m) => ({m, order: new RegExp(`^folio\\.${kind}\\.order_(\\d+)$`).exec(m.suffix)?.[1]}))
			.filter((o) => o.order !== undefined);
		const parts = (pair, side) =>
			orders
				.map(({m, order}) => {
					const bytes =
						(side === "base" ? pair.basePage : pair.otherPage || pair.basePage) *
						2 ** Number(order);

					return {
						part: size(bytes),
						bytes,
						v: (this.model.value(m, pair)?.[side] ?? 0) * bytes,
					};
				})
				.filter((p) => p.v > 0);
		const rows = this.bars(print, parts),
			keys = [...new Map(rows.flatMap((r) => r.parts).map((p) => [p.part, p.bytes]))]
				.sort((a, b) => a[1] - b[1])
				.map(([key]) => key);

		return this.stack(
			`Folios: ${what}`,
			"Bytes by folio size at the greatest extent; each folio once.",
			keys,
			rows.map((r) => ({...r, parts: [...r.parts].sort((a, b) => a.bytes - b.bytes)})),
			"bytes",
			width,
			print,
			true,
		);
	}

	// folio.SIZE.nr_anon of the kernel's own counters.
	countedFolios(width, print) {
		const sizes = this.sizes(),
			parts = (pair, side) =>
				sizes.map((s) => ({
					part: s.size,
					v: (this.value(pair, s.suffix)?.[side] ?? 0) * s.bytes,
				}));

		return this.stack(
			"Folios",
			"Anonymous memory in large folios at the greatest extent, by folio size (number times size).",
			sizes.map((s) => s.size),
			this.bars(print, parts),
			"bytes",
			width,
			print,
			true,
		);
	}

	// folio.SIZE.nr_anon that is not zero somewhere here, smallest first.
	sizes() {
		const unit = {K: 1 << 10, M: 1 << 20, G: 1 << 30},
			found = new Map();

		for (const m of this.model.metrics) {
			const match = /^folio\.(\d+)([KMG])\.nr_anon$/.exec(m.suffix);

			if (match && this.pairs.some((p) => sides(this.model.value(m, p)).some((v) => v > 0)))
				found.set(m.suffix, {
					suffix: m.suffix,
					size: match[1] + match[2],
					bytes: Number(match[1]) * unit[match[2]],
				});
		}
		return [...found.values()].sort((a, b) => a.bytes - b.bytes);
	}
}
