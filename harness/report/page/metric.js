// SPDX-License-Identifier: GPL-2.0-or-later
// One metric over all chosen cells: dots with intervals, and over runs where there are several.
import {figure, h, table} from "./dom.js";
import {change, interval, number, plural} from "./format.js";
import {changesChart, trendChart, valuesChart} from "./charts.js";
import {short, verdictOf} from "./data.js";
import {chosenRows} from "./state.js";

const PER_PAGE = 40,
	TREND_CELLS = 16;

export class MetricView {
	constructor(model, state) {
		this.model = model;
		this.state = state;
		this.select = h("select", {
			id: "metric",
			onchange: () => state.set({metric: this.select.value, page: "0"}),
		});
		this.fillSelect();
		this.help = h("p", {class: "muted"});
		this.place = h("div", {class: "wide"});
		this.element = h(
			"div",
			null,
			h("p", null, h("label", {for: "metric"}, "Metric "), this.select),
			this.help,
			this.place,
		);
	}

	fillSelect() {
		const group = (label, kinds) =>
			kinds.length
				? h(
						"optgroup",
						{label},
						kinds.map((k) => h("option", {value: k.key}, k.key)),
					)
				: null;

		this.select.append(
			...[
				group(
					"primary",
					this.model.kinds.filter((k) => k.counts),
				),
				group(
					"exploratory",
					this.model.kinds.filter((k) => !k.counts),
				),
			].filter((g) => g),
		);
	}

	update() {
		const kinds = this.model.kinds,
			kind =
				kinds.find((k) => k.key === this.state.get("metric")) ??
				kinds.find((k) => k.counts) ??
				kinds[0];
		const metric = kind?.metric;

		if (!kind) {
			this.place.replaceChildren(h("p", {class: "muted"}, "No boot gave a number."));
			return;
		}
		this.select.value = kind.key;
		this.help.textContent =
			`${metric.help}. ` +
			(metric.direction === "neither"
				? "No direction is better."
				: `${metric.direction === "lower" ? "Lower" : "Higher"} is better.`);
		this.draw(kind);
	}

	// The chosen rows that have it, in the overview's order.
	items(kind) {
		return chosenRows(this.model, this.state)
			.map((row) => ({
				name: kind.guest ? this.model.title(row.pair) : this.model.rowTitle(row),
				row,
				value: this.model.heatValue(row, kind),
			}))
			.filter((d) => d.value);
	}

	draw(kind) {
		const {metric, key} = kind,
			all = this.items(kind),
			pages = Math.max(1, Math.ceil(all.length / PER_PAGE));
		const page = Math.min(pages - 1, Math.max(0, Number(this.state.get("page")) || 0));
		const items = all.slice(page * PER_PAGE, (page + 1) * PER_PAGE),
			width = Math.min(900, this.place.clientWidth || 900);

		this.place.replaceChildren(
			...(!items.length
				? [h("p", {class: "muted"}, "None of the chosen cells has this metric.")]
				: [
						figure(
							key,
							this.describe(all),
							this.model.mode === "show"
								? valuesChart(items, metric.unit, width)
								: changesChart(items, this.model.raw.effect, width),
							() => valuesTable(this.model, key, items),
						),
						pages > 1 ? this.pager(page, pages, all.length) : null,
						this.model.mode === "trend" ? this.trend(key, all, width) : null,
					].filter((e) => e)),
		);
	}

	describe(all) {
		if (this.model.mode === "show")
			return `The median over boots, and what the boots span; ${plural(all.length, "cell")}.`;
		const counts = new Map();

		for (const {value} of all) counts.set(value.verdict, (counts.get(value.verdict) ?? 0) + 1);
		return (
			`The change of each cell with its ${Math.round(this.model.raw.confidence * 100)}% interval over boots. ` +
			[...counts].map(([code, n]) => `${n} ${verdictOf(code).name}`).join(", ") +
			"."
		);
	}

	pager(page, pages, n) {
		const go = (to) => this.state.set({page: String(to)});

		return h(
			"p",
			{class: "pager"},
			h("button", {type: "button", disabled: page === 0, onclick: () => go(page - 1)}, "Previous"),
			` ${page * PER_PAGE + 1}–${Math.min(n, (page + 1) * PER_PAGE)} of ${n} `,
			h(
				"button",
				{type: "button", disabled: page === pages - 1, onclick: () => go(page + 1)},
				"Next",
			),
		);
	}

	trend(key, all, width) {
		const cells = new Map();

		for (const {row, value} of all) {
			const name = row.pair.name + (row.several ? ` ${row.phase}` : "");

			cells.set(name, [...(cells.get(name) ?? []), {arm: row.pair.arm, value}]);
		}
		const items = [...cells]
			.slice(0, TREND_CELLS)
			.map(([name, points]) => ({name, points: points.sort((a, b) => a.arm - b.arm)}));
		const runs = this.model.raw.runs.map((r) => short(r.dir));
		const left = cells.size - items.length;

		return figure(
			`${key} over ${plural(runs.length, "run")}`,
			"Each run against the first, with its interval." +
				(left > 0
					? ` The first ${items.length} chosen cells; filter for the other ${left}.`
					: ""),
			trendChart(items, runs, this.model.raw.effect, width),
			() =>
				table(
					`${key}: changes against ${runs[0]}`,
					[
						{title: "cell", head: true},
						...runs.slice(1).map((r) => ({title: r, right: true})),
					],
					items.map((d) => [
						d.name,
						...runs
							.slice(1)
							.map((_, arm) =>
								change(
									d.points.find((p) => p.arm === arm)?.value
										.change,
								),
							),
					]),
				),
		);
	}
}

// items: [{name, value}]
export function valuesTable(model, caption, items, first = "cell") {
	const amount = (v, x) => number(x, v.metric.unit);

	if (model.mode === "show")
		return table(
			caption,
			[
				{title: first, head: true},
				{title: "median", right: true},
				{title: "least", right: true},
				{title: "most", right: true},
			],
			items.map(({name, value: v}) => [name, ...[v.base, v.low, v.high].map((x) => amount(v, x))]),
		);
	return table(
		caption,
		[
			{title: first, head: true},
			{title: "base", right: true},
			{title: "other", right: true},
			{title: "change", right: true},
			{title: "interval", right: true},
			{title: "verdict"},
		],
		items.map(({name, value: v}) => [
			name,
			amount(v, v.base),
			amount(v, v.other),
			change(v.change),
			interval(v),
			said(v),
		]),
	);
}

function said(v) {
	const verdict = verdictOf(v.verdict);

	return h(
		"span",
		{class: `verdict ${verdict.tone}`},
		h("span", {class: "sign", "aria-hidden": "true"}, `${verdict.sign} `),
		verdict.name,
		v.reason ? h("span", {class: "muted"}, `: ${v.reason}`) : null,
	);
}
