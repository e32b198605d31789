// SPDX-License-Identifier: GPL-2.0-or-later
// The report's page: what stands where, and what is drawn when.
import {NOT_JUDGED, VERDICTS, short, unpack} from "./data.js";
import {h, later} from "./dom.js";
import {plural} from "./format.js";
import {Heat, heatTable} from "./heat.js";
import {MetricView, valuesTable} from "./metric.js";
import {WorkloadView} from "./workload.js";
import {State} from "./state.js";
import * as facts from "./facts.js";

const PRINT_PX = 690,
	PRINT_ROWS = 34;
const BASES = {
	hardware: "Hardware: time on this silicon, judged as better or worse.",
	simulated:
		"Simulated: an instruction is a tick. Path length, counts and memory are exact; a TLB or cache miss " +
		"costs nothing, so shorter is not faster.",
	emulated: "Emulated: the host's clock; times are shown and never judged.",
};

function counts(model) {
	const n = new Array(NOT_JUDGED + 1).fill(0);

	for (const column of model.raw.columns)
		for (let i = 0; i < column.verdict.length; i++)
			n[Number(column.verdict[i])] += column.counts[i] === "1";
	return n;
}

function heading(model) {
	const {raw} = model,
		arms = raw.arms.map((a) => short(a.other)),
		many = arms.length > 3 ? `${arms.length} others` : arms.join(", ");
	const what = {
		show: short(raw.runs[0].dir),
		along: `${raw.arms[0]?.base} → ${many}`,
		compare: `${short(raw.runs[0].dir)} → ${many}`,
		trend: `${short(raw.runs[0].dir)} → ${many}`,
	}[model.mode];

	return h(
		"header",
		null,
		h("p", {class: "over"}, "granule report"),
		h("h1", null, raw.runs[0].matrix ?? "run", " ", h("span", {class: "muted"}, what)),
		h(
			"dl",
			{class: "facts"},
			...fact(
				"Runs",
				raw.runs.map((r) =>
					h("div", null, r.dir, h("span", {class: "muted"}, ` ${r.created ?? ""}`)),
				),
			),
			...fact("Kernels", facts.kernels(model)),
			...fact(
				"Basis",
				raw.bases.map((b) => h("div", null, BASES[b])),
			),
			...fact("Boots", [boots(model)]),
			...fact("QEMU", raw.qemu ? [raw.qemu] : []),
		),
	);
}

function boots(model) {
	const range = (values) =>
		values.length
			? Math.min(...values) === Math.max(...values)
				? values[0]
				: `${Math.min(...values)} to ${Math.max(...values)}`
			: 0;
	const seeds = model.pairs.map((p) => p.seeds).filter((n) => n),
		samples = model.pairs.map((p) => p.samples).filter((n) => n);

	const many = (values, word) => `${range(values)} ${word}${range(values) === 1 ? "" : "s"}`;

	return (
		`${many(seeds, "seed")} × ${many(samples, "sample")}` +
		(model.mode === "show"
			? ""
			: `; ${Math.round(model.raw.confidence * 100)}% intervals over seeds; effects under ` +
				`${+(model.raw.effect * 100).toFixed(3)}% do not matter`)
	);
}

const fact = (name, values) =>
	values.length
		? [
				h("dt", null, name),
				h(
					"dd",
					null,
					values.map((v) => (typeof v === "string" ? h("div", null, v) : v)),
				),
			]
		: [];

// The verdicts and how many there are of each: a legend, a summary and a filter in one.
function chips(model, state) {
	const n = counts(model);

	return h(
		"div",
		{class: "chips", role: "group", "aria-label": "Verdicts; choose one to filter"},
		VERDICTS.map((v) => {
			const b = h(
				"button",
				{
					type: "button",
					class: `chip ${v.tone}`,
					onclick: () =>
						state.set({
							verdict:
								state.get("verdict") === String(v.code)
									? ""
									: String(v.code),
							page: "0",
						}),
				},
				h("span", {class: "sign", "aria-hidden": "true"}, v.sign),
				` ${v.name} `,
				h("b", null, n[v.code].toLocaleString("en")),
			);

			state.onChange(() => b.setAttribute("aria-pressed", state.get("verdict") === String(v.code)));
			b.setAttribute("aria-pressed", "false");
			return b;
		}),
	);
}

function option(value, text) {
	return h("option", {value}, text);
}

function tools(model, state) {
	const q = h("input", {
		type: "search",
		id: "q",
		placeholder: "64k 2m anon",
		autocomplete: "off",
		spellcheck: "false",
		oninput: () => state.set({q: q.value, page: "0"}),
	});
	const workload = h(
		"select",
		{id: "workload", onchange: () => state.set({workload: workload.value, page: "0"})},
		option("", "all"),
		model.workloads.map((w) => option(w, w)),
	);
	const sort = h(
		"select",
		{id: "sort", onchange: () => state.set({sort: sort.value, page: "0"})},
		option("plan", "the matrix's order"),
		option("name", "name"),
		model.mode === "show" ? null : option("change", "largest judged change"),
		model.heat.map((c) => option(c.key, c.key)),
	);
	const show = () => {
		if (q.value !== state.get("q")) q.value = state.get("q");
		workload.value = state.get("workload");
		sort.value = state.get("sort");
	};

	state.onChange(show);
	show();
	return h(
		"form",
		{class: "tools", role: "search", onsubmit: (e) => e.preventDefault()},
		h("span", null, h("label", {for: "q"}, "Cells with "), q),
		h("span", null, h("label", {for: "workload"}, "Workload "), workload),
		h("span", null, h("label", {for: "sort"}, "Order "), sort),
		h(
			"button",
			{
				type: "reset",
				onclick: () => state.set({q: "", verdict: "", workload: "", sort: "plan", page: "0"}),
			},
			"Clear",
		),
	);
}

function section(id, title, note, ...content) {
	const filled = content.flat().filter((c) => c);

	return filled.length
		? h(
				"section",
				{id, "aria-labelledby": `${id}-title`},
				h("h2", {id: `${id}-title`}, title),
				note ? h("p", {class: "muted note"}, note) : null,
				filled,
			)
		: null;
}

// One cell with every metric that it has, as a page of its own at the side.
function cellView(model, state) {
	const place = h("dialog", {id: "cell", "aria-label": "One cell"});

	place.addEventListener("close", () => state.set({cell: ""}));
	const update = () => {
		const pair = state.get("cell") === "" ? null : model.pairs[Number(state.get("cell"))];

		if (!pair) {
			if (place.open) place.close();
			return;
		}
		if (place.dataset.pair === String(pair.index) && place.open) return;
		place.dataset.pair = pair.index;
		const items = model.valuesOf(pair).map((value) => ({name: value.metric.name, value})),
			some = items.filter((d) => d.value.counts);
		const rest = items.filter(({value: v}) => !v.counts && (v.base || v.other));

		place.replaceChildren(
			h("form", {method: "dialog"}, h("button", {class: "close"}, "Close")),
			h("h2", null, model.title(pair)),
			h(
				"p",
				{class: "muted"},
				pair.other && pair.other !== pair.base
					? `${pair.base} against ${pair.other}`
					: (pair.base ?? ""),
				`, ${pair.basis}, ${plural(pair.seeds, "seed")}`,
			),
			valuesTable(model, "Primary metrics", some, "metric"),
			later(`Other metrics (${rest.length}; those that are 0 throughout are left out)`, () =>
				valuesTable(model, "Other metrics", rest, "metric"),
			),
		);
		if (!place.open) place.showModal();
	};

	state.onChange(update);
	return {element: place, update};
}

function start() {
	const page = document.getElementById("page"),
		state = new State();
	const model = unpack(document.getElementById("data").textContent);
	const heat = new Heat(model, state, (values) => {
		state.set(values);
		if (values.metric) document.getElementById("metrics").scrollIntoView({block: "start"});
	});
	const metric = new MetricView(model, state),
		cell = cellView(model, state);
	const workloads = model.workloads.map((w) => new WorkloadView(model, w)),
		explained = h("div", null),
		printed = h("div", {class: "printed"});
	const judged = model.mode !== "show";

	document.title = `${model.raw.runs[0].matrix ?? "run"} · granule report`;
	page.replaceChildren(
		...[
			heading(model),
			h(
				"main",
				null,
				section(
					"overview",
					"Overview",
					judged
						? "Cells by primary metrics. Choose a field for its metric over all cells, a name for its cell; arrow keys move."
						: "Cells by primary metrics: medians over boots. One run by itself has no verdict.",
					judged ? chips(model, state) : null,
					tools(model, state),
					heat.element,
					printed,
				),
				section("metrics", "One metric", null, metric.element),
				section(
					"workloads",
					"Workloads",
					null,
					workloads.map((w) => w.element),
				),
				model.raw.explanations.length
					? section(
							"explanations",
							"Where the difference comes from",
							"Instructions by function. Fewer is a shorter path, not a faster machine.",
							explained,
						)
					: null,
				section("failures", "Failures", null, facts.consoles(model)),
				section("missing", "Not compared", null, facts.notCompared(model)),
				section(
					"settings",
					"Settings as read back",
					"✗: the kernel did not take what was asked.",
					facts.settings(model),
				),
				section("differences", "What differs", null, facts.differences(model)),
				h(
					"footer",
					{class: "muted"},
					`Made by ${model.raw.runs[0].creator ?? "granule"}. Verdicts are those of granule diff; `,
					"docs/report.md says how to read each view.",
				),
			),
			cell.element,
		].filter((e) => e),
	);
	draw(model, state, {heat, metric, cell, workloads, explained, printed});
	// for tests and the curious
	globalThis.granule = {model, state, ready: true};
}

function draw(model, state, views) {
	const width = (e) => e.clientWidth || 900;
	const half = (e) => (width(e) > 760 ? Math.floor((width(e) - 32) / 2) : width(e));
	const seen = new IntersectionObserver(
		(entries) => {
			for (const e of entries) {
				const view = views.workloads.find((w) => w.element === e.target);

				if (!e.isIntersecting || view.drawn) continue;
				view.drawn = true;
				view.render(half(view.place), false);
			}
		},
		{rootMargin: "600px"},
	);
	const all = () => {
		views.explained.replaceChildren(...facts.explanations(model, Math.min(900, width(views.explained))));
		views.metric.update();
		for (const w of views.workloads) {
			w.drawn = false;
			seen.unobserve(w.element);
			seen.observe(w.element);
		}
	};
	const update = () => {
		views.heat.update();
		views.metric.update();
		for (const w of views.workloads)
			w.element.hidden = state.get("workload") !== "" && w.workload !== state.get("workload");
	};
	let last = innerWidth,
		timer;

	state.onChange(update);
	update();
	all();
	views.cell.update();
	addEventListener("resize", () => {
		clearTimeout(timer);
		timer = setTimeout(() => {
			if (last !== innerWidth) all();
			last = innerWidth;
		}, 150);
	});
	addEventListener("beforeprint", () => {
		views.printed.replaceChildren(heatTable(model, model.rows, PRINT_ROWS));
		for (const w of views.workloads) w.render(PRINT_PX / 2 - 12, true);
		views.explained.replaceChildren(...facts.explanations(model, PRINT_PX));
	});
	addEventListener("afterprint", () => {
		views.printed.replaceChildren();
		all();
	});
}

start();
