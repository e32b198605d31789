// SPDX-License-Identifier: GPL-2.0-or-later
// Unpacks the data (results/README.md, "granule report --format json") and answers what views ask of them. Computes no
// statistic: every change, interval and verdict is as `granule` wrote it.
import {decompress} from "fzstd";

export const BETTER = 0,
	WORSE = 1,
	SHORTER = 2,
	LONGER = 3,
	SAME = 4,
	UNCLEAR = 5,
	NOT_JUDGED = 6;

// In the order of severity, with the sign that stands for it where colour cannot.
export const VERDICTS = [
	{code: WORSE, name: "worse", sign: "▼", tone: "bad"},
	{code: LONGER, name: "longer", sign: "▷", tone: "bad"},
	{code: BETTER, name: "better", sign: "▲", tone: "good"},
	{code: SHORTER, name: "shorter", sign: "◁", tone: "good"},
	{code: UNCLEAR, name: "unclear", sign: "?", tone: "open"},
	{code: SAME, name: "same", sign: "=", tone: "even"},
	{code: NOT_JUDGED, name: "not judged", sign: "·", tone: "none"},
];
export const verdictOf = (code) => VERDICTS.find((v) => v.code === code);

export function unpack(base64) {
	const binary = atob(base64.trim()),
		bytes = new Uint8Array(binary.length);

	for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
	return new Model(JSON.parse(new TextDecoder().decode(decompress(bytes))));
}

const split = (name) => {
	const dot = name.indexOf(".");

	return dot < 0 ? ["", name] : [name.slice(0, dot), name.slice(dot + 1)];
};

export class Model {
	constructor(raw) {
		this.raw = raw;
		this.mode = raw.mode;
		this.metrics = raw.metrics.name.map((name, i) => {
			const [phase, suffix] = split(name);

			return {
				index: i,
				name,
				phase,
				suffix,
				unit: raw.metrics.unit[i],
				class: raw.metrics.class[i],
				direction: raw.metrics.direction[i],
				help: raw.metrics.help[i],
				primary: raw.metrics.primary[i],
				counts: raw.columns[i].counts.includes("1"),
			};
		});
		this.byName = new Map(this.metrics.map((m) => [m.name, m]));
		this.pairs = raw.cells.name.map((name, i) => this.pair(name, i));
		this.at = new Map();
		this.phases = this.pairs.map(() => new Set());
		for (const m of this.metrics)
			if (m.phase !== "guest")
				for (const cell of raw.columns[m.index].cell) this.phases[cell].add(m.phase);
		this.kinds = this.metricKinds();
		this.heat = this.kinds.filter((k) => k.counts);
		this.rows = this.heatRows();
		this.workloads = [...new Set(this.pairs.map((p) => p.workload))];
	}

	pair(name, i) {
		const c = this.raw.cells,
			labels = {};

		for (const axis of this.raw.axes) labels[axis] = c.labels[axis][i];
		return {
			index: i,
			name,
			base: c.base[i],
			other: c.other[i],
			arm: c.arm[i],
			seeds: c.seeds[i],
			samples: c.samples[i],
			basis: c.basis[i],
			labels,
			basePage: c.base_page_bytes[i],
			otherPage: c.other_page_bytes[i],
			workload:
				this.raw.along === "workloads"
					? this.armText(c.arm[i])
					: (labels.workloads ?? "all cells"),
		};
	}

	// "4k → 64k", or the last folders of two runs.
	armText(arm) {
		const a = this.raw.arms[arm];

		return a ? `${short(a.base)} → ${short(a.other)}` : "";
	}

	// Where more than one arm is shown, which one a pair is of.
	title(pair) {
		if (this.raw.arms.length < 2) return pair.name;
		return `${pair.name}  ${short(this.raw.arms[pair.arm].other)}`;
	}

	// One metric of one pair, or null.
	value(metric, pair) {
		const column = this.raw.columns[metric.index];
		let at = this.at.get(metric.index),
			i;

		if (!at) {
			at = new Int32Array(this.pairs.length).fill(-1);
			column.cell.forEach((cell, k) => {
				at[cell] = k;
			});
			this.at.set(metric.index, at);
		}
		i = at[pair.index];
		if (i < 0) return null;
		return {
			metric,
			pair,
			base: column.base[i],
			other: column.other[i],
			change: column.change[i],
			low: column.low[i],
			high: column.high[i],
			verdict: Number(column.verdict[i]),
			counts: column.counts[i] === "1",
			reason: this.raw.reasons[column.reason[i]],
			baseBoots: column.base_boots?.[i] ?? null,
			otherBoots: column.other_boots?.[i] ?? null,
		};
	}

	// Each metric once for all phases, the guest's own behind; @counts: anywhere.
	metricKinds() {
		const own = new Map(),
			guest = new Map();

		for (const m of this.metrics) {
			const map = m.phase === "guest" ? guest : own,
				key = m.phase === "guest" ? m.name : m.suffix;

			if (!map.has(key)) map.set(key, {key, guest: m.phase === "guest", metric: m, counts: false});
			map.get(key).counts ||= m.counts;
		}
		return [...own.values(), ...guest.values()];
	}

	// A row a pair and phase; the guest's metrics stand in the pair's first.
	heatRows() {
		return this.pairs.flatMap((pair) => {
			const phases = [...this.phases[pair.index]];

			return (phases.length ? phases : [""]).map((phase, i) => ({
				pair,
				phase,
				first: i === 0,
				several: phases.length > 1,
				text: `${pair.name} ${phase} ${pair.base ?? ""} ${pair.other ?? ""} ${this.armText(pair.arm)}`.toLowerCase(),
			}));
		});
	}

	heatValue(row, column) {
		if (column.guest && !row.first) return null;
		const metric = this.byName.get(column.guest ? column.key : `${row.phase}.${column.key}`);

		return metric ? this.value(metric, row.pair) : null;
	}

	// What a row is called.
	rowTitle(row) {
		return this.title(row.pair) + (row.several ? ` ${row.phase}` : "");
	}

	// Every metric of a pair, in the order of the comparison.
	valuesOf(pair) {
		return this.metrics.map((m) => this.value(m, pair)).filter((v) => v);
	}

	settingsOf(run, cell) {
		const number = this.raw.settings.of[run]?.[cell];

		return number === undefined ? null : this.raw.settings.sets[number];
	}
}

// The last two parts of a path: what tells runs apart.
export function short(path) {
	const parts = path.split("/").filter((p) => p);

	return path.includes("/") ? (parts.slice(-1)[0] ?? path) : path;
}
