// SPDX-License-Identifier: GPL-2.0-or-later
// What is no metric: where a difference comes from, settings as read back, consoles of failed boots, what was not
// compared.
import {figure, h, later, table} from "./dom.js";
import {change, number, plural, size} from "./format.js";
import {differenceChart} from "./charts.js";
import {short} from "./data.js";

const FUNCTIONS = 20,
	CELLS_NAMED = 4;

const difference = (d) => Math.abs(d.other - d.base);
const sum = (list, side) => list.reduce((s, d) => s + d[side], 0);

// What is no function: a name and where it stands in a side.
const REST = [
	["user", "(user code)"],
	["unnamed", "(kernel, outside of System.map)"],
	["rest", "(clock reads, less faults tried twice)"],
];

function phase(e, p, width) {
	const all = [...p.functions, ...(p.user_functions ?? [])]
		.map((f) => ({...f, name: f.program ? `${f.name} (user: ${f.program})` : f.name}))
		.sort((a, b) => difference(b) - difference(a));
	const shown = all.slice(0, FUNCTIONS).filter((f) => difference(f) >= 0.05),
		left = all.slice(shown.length);
	const rest = REST.filter(
		([key]) => typeof p.base[key] === "number" && !(key === "user" && p.user_functions?.length),
	)
		.map(([key, name]) => ({name, base: p.base[key], other: p.other[key]}))
		.filter((d) => Math.max(Math.abs(d.base), Math.abs(d.other)) >= 0.05);
	const items = [
		...shown,
		...(left.length
			? [
					{
						name: `(${plural(left.length, "other function")})`,
						base: sum(left, "base"),
						other: sum(left, "other"),
					},
				]
			: []),
		...rest,
	];
	const [base, other] = [p.base.insns_per_op, p.other.insns_per_op],
		f1 = (v) => v.toFixed(1);

	return figure(
		`${p.phase}: ${f1(base)} → ${f1(other)} instructions per operation, ${change(other / base - 1)}`,
		`${e.base} against ${e.other}; functions by what changed. The lines add up to the difference.`,
		differenceChart(items, "instructions per operation", "1", width),
		() =>
			table(
				`${p.phase}: instructions per operation`,
				[
					{title: "function", head: true},
					{title: "base", right: true},
					{title: "other", right: true},
					{title: "change", right: true},
				],
				[...all, ...rest, {name: "sum", base, other}].map((f) => [
					f.name,
					f1(f.base),
					f1(f.other),
					f1(f.other - f.base),
				]),
			),
	);
}

const MEMORY_OF = {cgroup: "memory charged to its cgroup", guest: "memory that is not free"};

function memory(e, m, width) {
	const parts = [...m.parts].filter((d) => d.base || d.other).sort((a, b) => difference(b) - difference(a));
	const items = parts.map((d) => ({...d, name: d.label ?? d.name})),
		bytes = (v) => number(v, "bytes");

	return items.length
		? figure(
				`${m.phase}: ${MEMORY_OF[m.of] ?? "memory"}, ${bytes(m.base)} → ${bytes(m.other)}`,
				`${e.base} against ${e.other}, boot ${e.boot}; parts that add up to the difference.`,
				differenceChart(items, "bytes", "bytes", width),
				() =>
					table(
						m.phase,
						[
							{title: "part", head: true},
							{title: "base", right: true},
							{title: "other", right: true},
							{title: "change", right: true},
						],
						[...items, {name: "sum", base: m.base, other: m.other}].map((d) => [
							d.name,
							bytes(d.base),
							bytes(d.other),
							bytes(d.other - d.base),
						]),
					),
			)
		: null;
}

export function explanations(model, width) {
	return model.raw.explanations.map((e) =>
		h(
			"div",
			{class: "explanation"},
			e.phases.map((p) => phase(e, p, width)),
			(e.memory ?? []).map((m) => memory(e, m, width)),
		),
	);
}

// Asked for, and not taken: "differs", "absent", "error: ...".
const odd = (set, i) => set.requested[i] !== "" && !["ok", "probed", "inherited"].includes(set.status[i]);

function settingsTable(set, caption) {
	return table(
		caption,
		[{title: "setting", head: true}, {title: "requested"}, {title: "effective"}, {title: "status"}],
		set.path.map((path, i) => [
			path.replace("/sys/kernel/mm/", ""),
			set.requested[i] || h("span", {class: "muted"}, "not asked"),
			set.effective[i],
			odd(set, i) ? h("strong", {class: "marked"}, `✗ ${set.status[i]}`) : set.status[i],
		]),
	);
}

// Cells with the same settings share a block.
export function settings(model) {
	const users = model.raw.settings.sets.map(() => []),
		runs = model.raw.runs;

	model.raw.settings.of.forEach((cells, run) => {
		for (const [cell, number] of Object.entries(cells))
			users[number].push(runs.length > 1 ? `${short(runs[run].dir)}: ${cell}` : cell);
	});
	return model.raw.settings.sets
		.map((set, i) => ({set, cells: users[i], n: set.path.filter((_, k) => odd(set, k)).length}))
		.filter((b) => b.cells.length && b.set.path.length)
		.sort((a, b) => b.n - a.n)
		.map((b) => {
			const who =
				b.cells.slice(0, CELLS_NAMED).join(", ") +
				(b.cells.length > CELLS_NAMED ? ` and ${b.cells.length - CELLS_NAMED} more` : "");
			const block = later(
				[
					h(
						"span",
						{class: b.n ? "marked" : "muted"},
						b.n
							? `✗ ${plural(b.n, "setting")} not as asked`
							: `${plural(b.set.path.length, "setting")} as asked`,
					),
					" ",
					who,
				],
				() =>
					h(
						"div",
						null,
						h("p", {class: "muted"}, b.cells.join(", ")),
						settingsTable(b.set, "as read back"),
					),
				{class: "settings"},
			);

			block.open = b.n > 0 && b.n <= 20;
			return block;
		});
}

export function consoles(model) {
	return model.raw.consoles.map((c) =>
		h(
			"article",
			{class: "console"},
			h("h3", null, `${c.cell}, boot ${c.boot}: ${c.outcome}`),
			h(
				"p",
				null,
				c.reason,
				" ",
				h(
					"span",
					{class: "muted"},
					`${short(model.raw.runs[c.run].dir)}, attempt ${c.attempt}`,
				),
			),
			c.crash ? h("pre", {tabindex: "0", "aria-label": "the crash"}, c.crash) : null,
			c.tail && c.tail !== c.crash
				? h(
						"details",
						{open: !c.crash},
						h("summary", null, "The console's last lines"),
						h("pre", {tabindex: "0"}, c.tail),
					)
				: null,
		),
	);
}

export function notCompared(model) {
	const list = model.raw.not_compared;

	return list.length
		? table(
				`${plural(list.length, "boot or cell", list.length)} without numbers`,
				[
					{title: "cell", head: true},
					{title: "side"},
					{title: "boot", right: true},
					{title: "outcome"},
					{title: "why"},
				],
				list.map((t) => [
					t.cell,
					short(t.side),
					t.boot || "all",
					t.failed ? h("strong", {class: "marked"}, `✗ ${t.outcome}`) : t.outcome,
					t.reason,
				]),
			)
		: null;
}

export function differences(model) {
	const list = model.raw.differences;

	return list.length
		? table(
				"What differs between the sides",
				[
					{title: "what", head: true},
					{title: "base"},
					{title: "other"},
					{title: "reach"},
					{title: "pairs", right: true},
				],
				list.map((d) => [
					d.path,
					d.base,
					d.other,
					d.severity === "subject"
						? "this is compared"
						: d.severity === "note"
							? "note"
							: h("strong", {class: "marked"}, `✗ ${d.severity}`),
					d.pairs,
				]),
			)
		: null;
}

export function kernels(model) {
	const named = new Map(),
		add = (label, k) => {
			const what = `${k.release}, ${size(k.page_bytes)} pages`;

			named.set(what, (named.get(what) ?? new Set()).add(label));
		};

	for (const k of model.raw.kernels) for (const side of ["base", "other"]) add(k[side].label, k[side]);
	for (const run of model.raw.kernels.length ? [] : model.raw.runs)
		for (const [label, k] of Object.entries(run.kernels ?? {})) add(label, k);
	return [...named].map(([what, labels]) => `${[...labels].join(", ")} (${what})`);
}
