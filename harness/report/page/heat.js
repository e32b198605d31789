// SPDX-License-Identifier: GPL-2.0-or-later
// The overview: cells by primary metrics, as a table whose fields say the verdict by colour and by sign. Only the rows
// in sight are in the document, so that a thousand cells scroll as ten do.
import {breakable, h} from "./dom.js";
import {change, interval, number, plural} from "./format.js";
import {verdictOf} from "./data.js";
import {chosenRows, judgedChange} from "./state.js";

const ROW_PX = 27,
	AHEAD = 12,
	PAPER_COLUMNS = 10;

// How strong a tone is: by the size of the change.
const strength = (c) =>
	c === null
		? 1
		: Math.abs(Math.log(Math.max(1e-9, 1 + c))) < 0.05
			? 1
			: Math.abs(Math.log(1 + c)) < 0.25
				? 2
				: 3;

export function wordsOf(model, v) {
	const verdict = verdictOf(v.verdict),
		unit = v.metric.unit;

	if (model.mode === "show")
		return `${v.metric.name}: ${number(v.base, unit)}; over boots ${number(v.low, unit)} to ${number(v.high, unit)}`;
	return (
		`${v.metric.name}: ${number(v.base, unit)} to ${number(v.other, unit)}, ${change(v.change)} ${interval(v)}, ` +
		verdict.name +
		(v.reason ? `: ${v.reason}` : "")
	);
}

export function heatField(model, v) {
	if (!v) return h("td", {class: "empty"}, "");
	if (model.mode === "show")
		return h("td", {class: "number", title: wordsOf(model, v)}, number(v.base, v.metric.unit));
	const verdict = verdictOf(v.verdict),
		judged = verdict.tone === "good" || verdict.tone === "bad";

	return h(
		"td",
		{class: `heat ${verdict.tone}${judged ? strength(v.change) : ""}`, title: wordsOf(model, v)},
		h("span", {class: "sign", "aria-hidden": "true"}, verdict.sign),
		h("span", {class: "said"}, `${verdict.name} `),
		change(v.change) || (v.base === null ? "new" : v.other === null ? "gone" : "–"),
	);
}

function nameField(model, row) {
	const title = model.title(row.pair);

	return h(
		"th",
		{scope: "row"},
		title.length <= 28 ? title : breakable(title),
		row.several ? h("span", {class: "muted"}, ` ${row.phase}`) : null,
	);
}

// As many columns as a sheet of paper holds, in their order.
function widest(model, rows, columns) {
	if (columns.length <= PAPER_COLUMNS) return columns;
	const most = new Map(columns.map((c) => [c, Math.max(...rows.map((row) => judgedChange(model, row, [c])))]));
	const kept = new Set([...columns].sort((a, b) => most.get(b) - most.get(a)).slice(0, PAPER_COLUMNS));

	return columns.filter((c) => kept.has(c));
}

function head(columns, sort) {
	const column = (key, help) =>
		h(
			"th",
			{scope: "col", "aria-sort": sort?.key === key ? "descending" : null, title: help},
			sort
				? h(
						"button",
						{type: "button", class: "plain", onclick: () => sort.by(key)},
						breakable(key),
					)
				: breakable(key),
		);

	return h(
		"thead",
		null,
		h(
			"tr",
			null,
			h("th", {scope: "col"}, "cell"),
			columns.map((c) => column(c.key, c.metric.help)),
		),
	);
}

// For paper: the @most rows with the largest judged change, or all in their order where they are no more.
export function heatTable(model, all, most) {
	const few = all.length <= most,
		weight = new Map(few ? [] : all.map((row) => [row, judgedChange(model, row)]));
	const rows = few ? all : [...all].sort((a, b) => weight.get(b) - weight.get(a)).slice(0, most);
	const caption = few
		? plural(rows.length, "row")
		: `the ${most} of ${plural(all.length, "row")} with the largest judged change`;

	const used = model.heat.filter((c) => rows.some((row) => model.heatValue(row, c))),
		columns = widest(model, rows, used);
	const of =
		columns.length < used.length
			? `; ${columns.length} of ${used.length} primary metrics, those with the largest judged change`
			: "";

	return h(
		"table",
		{class: "heatmap"},
		h("caption", null, caption + of),
		head(columns, null),
		h(
			"tbody",
			null,
			rows.map((row) =>
				h(
					"tr",
					null,
					nameField(model, row),
					columns.map((c) => heatField(model, model.heatValue(row, c))),
				),
			),
		),
	);
}

export class Heat {
	constructor(model, state, open) {
		this.model = model;
		this.state = state;
		this.open = open;
		this.at = {row: 0, column: 0};
		this.body = h("tbody", null);
		this.table = h("table", {
			class: "heatmap",
			role: "grid",
			"aria-label": "Verdicts: cells by primary metrics",
		});
		this.scroller = h("div", {class: "scroller", onscroll: () => this.draw()}, this.table);
		this.count = h("p", {class: "muted", role: "status", id: "count"});
		this.table.addEventListener("keydown", (e) => this.key(e));
		this.table.addEventListener("click", (e) => this.click(e));
		this.element = h("div", null, this.count, this.scroller);
	}

	update() {
		const sort = this.state.get("sort");

		this.rows = chosenRows(this.model, this.state);
		this.table.replaceChildren(
			head(this.model.heat, {
				key: sort,
				by: (key) => this.state.set({sort: sort === key ? "plan" : key, page: "0"}),
			}),
			this.body,
		);
		this.table.setAttribute("aria-rowcount", this.rows.length + 1);
		this.table.setAttribute("aria-colcount", this.model.heat.length + 1);
		const n = (rows) => rows.length.toLocaleString("en");

		this.count.textContent = `${n(this.rows)} of ${n(this.model.rows)} rows`;
		this.at = {row: 0, column: 0};
		this.scroller.scrollTop = 0;
		this.from = -1;
		this.draw();
	}

	draw() {
		const few = this.rows.length <= 60,
			high = this.scroller.clientHeight || 600;
		const from = few ? 0 : Math.max(0, Math.floor(this.scroller.scrollTop / ROW_PX) - AHEAD);
		const to = few
			? this.rows.length
			: Math.min(this.rows.length, from + Math.ceil(high / ROW_PX) + 2 * AHEAD);

		if (from === this.from && to === this.to) return;
		this.from = from;
		this.to = to;
		const space = (n) =>
			h(
				"tr",
				{"aria-hidden": "true", class: "space"},
				h("td", {style: `height:${n * ROW_PX}px`, colspan: this.model.heat.length + 1}),
			);
		const drawn = this.rows.slice(from, to).map((row, i) => this.row(row, from + i));

		this.body.replaceChildren(
			...(from ? [space(from)] : []),
			...drawn,
			...(to < this.rows.length ? [space(this.rows.length - to)] : []),
		);
	}

	row(row, i) {
		const fields = [
			nameField(this.model, row),
			...this.model.heat.map((c) => heatField(this.model, this.model.heatValue(row, c))),
		];

		fields.forEach((f, k) => {
			f.setAttribute("tabindex", i === this.at.row && k === this.at.column ? "0" : "-1");
			f.setAttribute("role", k ? "gridcell" : "rowheader");
			f.dataset.row = i;
			f.dataset.column = k;
		});
		return h("tr", {"aria-rowindex": i + 2, role: "row"}, fields);
	}

	field(row, column) {
		return this.body.querySelector(`[data-row="${row}"][data-column="${column}"]`);
	}

	move(row, column) {
		const old = this.field(this.at.row, this.at.column);

		row = Math.min(this.rows.length - 1, Math.max(0, row));
		column = Math.min(this.model.heat.length, Math.max(0, column));
		old?.setAttribute("tabindex", "-1");
		this.at = {row, column};
		if (!this.field(row, column)) {
			this.scroller.scrollTop = Math.max(0, row - 5) * ROW_PX;
			this.draw();
		}
		const next = this.field(row, column);

		next?.setAttribute("tabindex", "0");
		next?.focus();
	}

	key(e) {
		const {row, column} = this.at,
			page = 15;
		const to = {
			ArrowDown: [row + 1, column],
			ArrowUp: [row - 1, column],
			ArrowRight: [row, column + 1],
			ArrowLeft: [row, column - 1],
			PageDown: [row + page, column],
			PageUp: [row - page, column],
			Home: [e.ctrlKey ? 0 : row, 0],
			End: [e.ctrlKey ? this.rows.length - 1 : row, this.model.heat.length],
		}[e.key];

		if (e.target.closest("thead")) return;
		if (to) this.move(...to);
		else if (e.key === "Enter" || e.key === " ") this.choose(row, column);
		else return;
		e.preventDefault();
	}

	click(e) {
		const field = e.target.closest("[data-row]");

		if (!field) return;
		this.move(Number(field.dataset.row), Number(field.dataset.column));
		this.choose(this.at.row, this.at.column);
	}

	// A name opens the cell, a field its metric over all cells.
	choose(row, column) {
		const r = this.rows[row],
			c = this.model.heat[column - 1];

		if (!r) return;
		if (!c) this.open({cell: String(r.pair.index)});
		else this.open({metric: c.key, page: "0"});
	}
}
