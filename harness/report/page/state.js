// SPDX-License-Identifier: GPL-2.0-or-later
// What is filtered and chosen, kept in the address's fragment, so that a link says what its sender saw.

import {LONGER} from "./data.js";

const DEFAULTS = {q: "", verdict: "", workload: "", sort: "plan", metric: "", cell: "", page: "0"};

export class State {
	constructor() {
		this.listeners = [];
		this.read();
		addEventListener("hashchange", () => {
			// a link to a section is no state
			if (location.hash.includes("=") || location.hash.length < 2) {
				this.read();
				this.tell();
			}
		});
	}

	read() {
		const given = new URLSearchParams(location.hash.slice(1));

		this.values = {...DEFAULTS};
		for (const key of Object.keys(DEFAULTS)) if (given.has(key)) this.values[key] = given.get(key);
	}

	get(key) {
		return this.values[key];
	}

	set(values) {
		Object.assign(this.values, values);
		const changed = Object.entries(this.values).filter(([key, value]) => value !== DEFAULTS[key]);

		history.replaceState(
			null,
			"",
			changed.length ? `#${new URLSearchParams(changed)}` : location.pathname + location.search,
		);
		this.tell();
	}

	onChange(listener) {
		this.listeners.push(listener);
	}

	tell() {
		for (const listener of this.listeners) listener();
	}
}

// The rows of the overview that are wanted, in the wanted order.
export function chosenRows(model, state) {
	const words = state
		.get("q")
		.toLowerCase()
		.split(/\s+/)
		.filter((w) => w);
	const verdict = state.get("verdict"),
		workload = state.get("workload");
	const code = verdict === "" ? -1 : Number(verdict);
	const rows = model.rows.filter(
		(row) =>
			(!workload || row.pair.workload === workload) &&
			words.every((w) => row.text.includes(w)) &&
			(code < 0 ||
				model.heat.some((c) => {
					const v = model.heatValue(row, c);

					return v?.counts && v.verdict === code;
				})),
	);

	return sorted(model, rows, state.get("sort"));
}

// The largest of a row's changes that have a verdict with a direction, as a log ratio; -1: none.
export function judgedChange(model, row, columns = model.heat) {
	return Math.max(
		-1,
		...columns.map((c) => {
			const v = model.heatValue(row, c);

			return !v || v.change === null || v.verdict > LONGER ? -1 : ratio(v.change);
		}),
	);
}

const ratio = (change) => Math.abs(Math.log(Math.max(1e-9, 1 + change)));

// What a row shows in the column @key, or whether it shows it at all.
function shown(model, row, key) {
	const column = model.heat.find((c) => c.key === key),
		v = column && model.heatValue(row, column);

	return !v ? -2 : model.mode === "show" ? (v.base ?? -1) : v.change === null ? -1 : ratio(v.change);
}

// "name", "plan", or the key of a column, largest change first.
function sorted(model, rows, key) {
	if (key === "plan") return rows;
	if (key === "name") return [...rows].sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
	// of any column only what was judged; of a chosen one whatever it shows
	const weight = new Map(
		rows.map((row) => [row, key === "change" ? judgedChange(model, row) : shown(model, row, key)]),
	);

	return [...rows].sort((a, b) => weight.get(b) - weight.get(a));
}
