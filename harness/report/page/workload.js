// SPDX-License-Identifier: GPL-2.0-or-later
// One workload: memory against cost, what its memory is made of, which folios. On paper it is a page, with its rows of the overview.
import {figure, h, table} from "./dom.js";
import {number, plural} from "./format.js";
import {stackChart, tradeChart} from "./charts.js";
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
const PARTS = [["anon", "memory.anon"], ["page cache and shmem", "memory.file"], ["page tables", "memory.pagetables"], ["slab", "memory.slab"],
	["other kernel memory", "memory.kernel"]];
const BARS = {screen: 24, print: 10}, PRINT_ROWS = 16;

const sides = (v) => [v?.base ?? null, v?.other ?? null];

export class WorkloadView {
	constructor(model, workload) {
		this.model = model;
		this.workload = workload;
		this.pairs = model.pairs.filter((p) => p.workload === workload);
		this.rows = model.rows.filter((r) => r.pair.workload === workload);
		this.place = h("div", {class: "workload-body"});
		this.element = h("section", {class: "workload", "data-workload": workload, "aria-label": `Workload ${workload}`},
			h("h3", null, h("span", {class: "muted"}, "workload "), workload, " ",
				h("span", {class: "muted count"}, plural(this.pairs.length, model.mode === "show" ? "cell" : "pair"))), this.place);
	}

	value(pair, suffix) {
		for (const phase of this.model.phases[pair.index]) {
			const metric = this.model.byName.get(`${phase}.${suffix}`), v = metric && this.model.value(metric, pair);

			if (v && (v.base !== null || v.other !== null))
				return v;
		}
		return null;
	}

	// The name of a pair without its workload, which the heading has.
	name(pair) {
		const parts = this.model.title(pair).split(/(?<=\.)|(?=  )/), own = `${this.workload}`;

		return this.model.title(pair).replace(`.${own}`, "") || parts[0];
	}

	render(width, print) {
		const charts = [this.trade(width), this.split(width, print), this.folios(width, print)].filter((f) => f);

		this.place.replaceChildren(...(print ? [heatTable(this.model, this.rows, PRINT_ROWS)] : []),
			charts.length ? h("div", {class: "charts"}, charts) : h("p", {class: "muted"}, "No boot of this workload gave numbers to draw."));
	}

	cost() {
		const bases = new Set(this.pairs.map((p) => p.basis));

		return COSTS.find((c) => (!c.basis || bases.has(c.basis)) && this.pairs.some((p) => this.value(p, c.suffix)));
	}

	trade(width) {
		const cost = this.cost(), memory = MEMORY.find((m) => this.pairs.some((p) => this.value(p, m)));

		if (!cost || !memory)
			return null;
		const items = this.pairs.map((pair) => {
			const [bx, ox] = sides(this.value(pair, memory)), [by, oy] = sides(this.value(pair, cost.suffix));

			return {name: this.name(pair), base: bx === null || by === null ? null : {x: bx, y: by},
				other: ox === null || oy === null ? null : {x: ox, y: oy}};
		}).filter((d) => d.base);
		const numbers = () => table(`${memory} and ${cost.suffix}`, [{title: "cell", head: true}, {title: "memory", right: true}, {title: "", right: true},
			{title: "cost", right: true}, {title: "", right: true}], items.map((d) => [d.name, number(d.base.x, "bytes"), d.other && number(d.other.x, "bytes"),
			number(d.base.y, ""), d.other && number(d.other.y, "")]));

		return items.length ? figure("Memory against cost", `${memory} against ${cost.suffix}. ` + (this.model.mode === "show" ? "A dot a cell."
			: `Hollow: ${this.sideNames()[0]}; filled: ${this.sideNames()[1]}.`), tradeChart(items, "bytes", cost.label, "", width), numbers) : null;
	}

	sideNames() {
		const arms = this.model.raw.arms;

		if (!arms.length)
			return ["", ""];
		return [short(arms[0].base), arms.length === 1 ? short(arms[0].other) : "the others"];
	}

	// Bars of both sides of each pair, base first.
	bars(print, make) {
		const seen = new Set(), rows = [], [base, other] = this.sideNames();

		for (const pair of this.pairs.slice(0, BARS[print ? "print" : "screen"])) {
			const key = `${pair.base} ${this.model.mode === "trend"}`;

			// in several arms the base is one cell: once
			if (!seen.has(key))
				rows.push({name: this.model.mode === "show" ? this.name(pair) : `${this.name(pair).replace(/ {2}.*/, "")} ${base}`, parts: make(pair, "base")});
			seen.add(key);
			if (this.model.mode !== "show")
				rows.push({name: `${this.name(pair).replace(/ {2}.*/, "")} ${this.model.raw.arms.length > 1 ? short(this.model.raw.arms[pair.arm].other) : other}`,
					parts: make(pair, "other")});
		}
		return rows.filter((r) => r.parts.some((p) => p.v > 0));
	}

	stack(title, description, keys, rows, unit, width, print) {
		const used = keys.filter((key) => rows.some((r) => r.parts.some((p) => p.part === key && p.v > 0)));
		const shown = rows.map((r) => ({...r, parts: r.parts.filter((p) => used.includes(p.part))}));
		const of = this.pairs.length > BARS[print ? "print" : "screen"] ? ` The first ${BARS[print ? "print" : "screen"]} of ${this.pairs.length}.` : "";

		if (!rows.length || !used.length)
			return null;
		const f = figure(title, description + of, stackChart(shown, used, unit, width), () => table(title, [{title: "cell", head: true},
			...used.map((key) => ({title: key, right: true}))], shown.map((r) => [r.name, ...used.map((key) => number(r.parts.find((p) => p.part === key)?.v ?? null, unit))])));

		f.querySelector(".chart").before(h("ul", {class: "legend"}, used.map((key, k) => h("li", null, h("span", {class: "swatch", style: `background:var(--part-${k % 6})`}), key))));
		return f;
	}

	// Disjoint parts of what the cgroup is charged at the test's greatest extent; slab and page tables are taken out of the kernel's.
	split(width, print) {
		const parts = (pair, side) => {
			const v = PARTS.map(([part, suffix]) => ({part, v: this.value(pair, suffix)?.[side] ?? 0}));

			v[4].v = Math.max(0, v[4].v - v[2].v - v[3].v);
			return v;
		};

		return this.stack("What the memory is", "Charged to the workload's cgroup at its greatest extent.", PARTS.map(([part]) => part),
			this.bars(print, parts), "bytes", width, print);
	}

	folios(width, print) {
		const sizes = this.sizes(), orders = sizes.map((s) => s.size);

		if (!orders.length)
			return null;
		return this.stack("Folios", "Anonymous memory in large folios at the greatest extent, by folio size (number times size).", orders,
			this.bars(print, (pair, side) => sizes.map((s) => ({part: s.size, v: (this.value(pair, s.suffix)?.[side] ?? 0) * s.bytes}))), "bytes", width, print);
	}

	// folio.SIZE.nr_anon that is not zero somewhere here, smallest first.
	sizes() {
		const unit = {K: 1 << 10, M: 1 << 20, G: 1 << 30}, found = new Map();

		for (const m of this.model.metrics) {
			const match = /^folio\.(\d+)([KMG])\.nr_anon$/.exec(m.suffix);

			if (match && this.pairs.some((p) => sides(this.model.value(m, p)).some((v) => v > 0)))
				found.set(m.suffix, {suffix: m.suffix, size: match[1] + match[2], bytes: Number(match[1]) * unit[match[2]]});
		}
		return [...found.values()].sort((a, b) => a.bytes - b.bytes);
	}
}
