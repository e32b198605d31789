// SPDX-License-Identifier: GPL-2.0-or-later
// What is no metric: where a difference comes from, settings as read back, consoles of failed boots, what was not compared.
import {figure, h, later, table} from "./dom.js";
import {change, plural, size} from "./format.js";
import {differenceChart} from "./charts.js";
import {short} from "./data.js";

const FUNCTIONS = 20, CELLS_NAMED = 4;

function phase(e, p, width) {
	const by = (f) => Math.abs(f.other - f.base), all = [...p.functions].sort((a, b) => by(b) - by(a)), shown = all.slice(0, FUNCTIONS).filter((f) => by(f) >= 0.05);
	const rest = all.slice(shown.length), sum = (list, side) => list.reduce((s, f) => s + f[side], 0), label = (f) => f.user ? `${f.name} (user)` : f.name;
	const items = [...shown.map((f) => ({name: label(f), base: f.base, other: f.other})),
		...(rest.length ? [{name: `(${rest.length} other functions)`, base: sum(rest, "base"), other: sum(rest, "other")}] : []),
		...["user", "unnamed", "rest"].filter((k) => typeof p.base[k] === "number" && (k !== "user" || !all.some((f) => f.user)))
			.map((k) => ({name: `(${{user: "user code", unnamed: "outside of System.map", rest: "clock reads, less faults tried twice"}[k]})`, base: p.base[k], other: p.other[k]}))
			.filter((d) => Math.abs(d.base) >= 0.05 || Math.abs(d.other) >= 0.05)];
	const [base, other] = [p.base.insns_per_op, p.other.insns_per_op], f1 = (v) => v.toFixed(1);

	return figure(`${p.phase}: ${f1(base)} → ${f1(other)} instructions per operation, ${change(other / base - 1)}`,
		`${e.base} against ${e.other}; kernel functions by what changed. The lines add up to the difference, exactly.`,
		differenceChart(items, width), () => table(`${p.phase}: instructions per operation`, [{title: "function", head: true}, {title: "base", right: true},
			{title: "other", right: true}, {title: "change", right: true}], [...all.map((f) => [label(f), f1(f.base), f1(f.other), f1(f.other - f.base)]),
			["sum", f1(base), f1(other), f1(other - base)]]));
}

export function explanations(model, width) {
	return model.raw.explanations.map((e) => h("div", {class: "explanation"}, e.phases.filter((p) => p.functions?.length).map((p) => phase(e, p, width))));
}

const PLAIN = new Set(["ok", "inherited", "probed"]);
const odd = (set, i) => !PLAIN.has(set.status[i]) || (set.status[i] === "ok" && set.requested[i] !== set.effective[i]);

function settingsTable(set, only, caption) {
	const rows = set.path.map((_, i) => i).filter((i) => !only || odd(set, i));

	return table(caption, [{title: "setting", head: true}, {title: "requested"}, {title: "effective"}, {title: "status"}],
		rows.map((i) => [set.path[i].replace("/sys/kernel/mm/", ""), set.requested[i] || h("span", {class: "muted"}, "not asked"), set.effective[i],
			odd(set, i) ? h("strong", {class: "marked"}, `✗ ${set.status[i] === "ok" ? "read back otherwise" : set.status[i]}`) : set.status[i]]));
}

// Cells with the same settings share a block.
export function settings(model) {
	const users = model.raw.settings.sets.map(() => []), runs = model.raw.runs;

	model.raw.settings.of.forEach((cells, run) => {
		for (const [cell, number] of Object.entries(cells))
			users[number].push(runs.length > 1 ? `${short(runs[run].dir)}: ${cell}` : cell);
	});
	return model.raw.settings.sets.map((set, i) => ({set, cells: users[i], n: set.path.filter((_, k) => odd(set, k)).length}))
		.filter((b) => b.cells.length && b.set.path.length).sort((a, b) => b.n - a.n).map((b) => {
			const who = b.cells.slice(0, CELLS_NAMED).join(", ") + (b.cells.length > CELLS_NAMED ? ` and ${b.cells.length - CELLS_NAMED} more` : "");
			const block = later([h("span", {class: b.n ? "marked" : "muted"}, b.n ? `✗ ${plural(b.n, "setting")} not as asked` : `${plural(b.set.path.length, "setting")} as asked`),
				" ", who], () => h("div", null, h("p", {class: "muted"}, b.cells.join(", ")), settingsTable(b.set, false, "as read back")), {class: "settings"});

			block.open = b.n > 0 && b.n <= 20;
			return block;
		});
}

export function consoles(model) {
	return model.raw.consoles.map((c) => h("article", {class: "console"}, h("h3", null, `${c.cell}, boot ${c.boot}: ${c.outcome}`),
		h("p", null, c.reason, " ", h("span", {class: "muted"}, `${short(model.raw.runs[c.run].dir)}, attempt ${c.attempt}`)),
		c.crash ? h("pre", {tabindex: "0", "aria-label": "the crash"}, c.crash) : null,
		c.tail && c.tail !== c.crash ? h("details", {open: !c.crash}, h("summary", null, "The console's last lines"), h("pre", {tabindex: "0"}, c.tail)) : null));
}

export function notCompared(model) {
	const list = model.raw.not_compared;

	return list.length ? table(`${plural(list.length, "boot or cell", list.length)} without numbers`, [{title: "cell", head: true}, {title: "side"},
		{title: "boot", right: true}, {title: "outcome"}, {title: "why"}], list.map((t) => [t.cell, short(t.side), t.boot || "all",
		t.failed ? h("strong", {class: "marked"}, `✗ ${t.outcome}`) : t.outcome, t.reason])) : null;
}

export function differences(model) {
	const list = model.raw.differences;

	return list.length ? table("What differs between the sides", [{title: "what", head: true}, {title: "base"}, {title: "other"}, {title: "reach"}, {title: "pairs", right: true}],
		list.map((d) => [d.path, d.base, d.other, d.severity === "subject" ? "this is compared" : d.severity === "note" ? "note" : h("strong", {class: "marked"}, `✗ ${d.severity}`), d.pairs])) : null;
}

export function kernels(model) {
	const named = new Map(), add = (label, k) => {
		const what = `${k.release}, ${size(k.page_bytes)} pages`;

		named.set(what, (named.get(what) ?? new Set()).add(label));
	};

	for (const k of model.raw.kernels)
		for (const side of ["base", "other"])
			add(k[side].label, k[side]);
	for (const run of model.raw.kernels.length ? [] : model.raw.runs)
		for (const [label, k] of Object.entries(run.kernels ?? {}))
			add(label, k);
	return [...named].map(([what, labels]) => `${[...labels].join(", ")} (${what})`);
}
