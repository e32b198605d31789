// SPDX-License-Identifier: GPL-2.0-or-later
// Elements. All text goes in as text nodes and attributes: nothing that a guest said is ever parsed as HTML.

export function h(tag, attributes, ...children) {
	const e = document.createElement(tag);

	for (const [key, value] of Object.entries(attributes ?? {})) {
		if (value === null || value === undefined || value === false) continue;
		if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
		else e.setAttribute(key, value === true ? "" : value);
	}
	e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
	return e;
}

// A long name may break behind a dot or an underscore.
export function breakable(name) {
	return name.split(/(?<=[._/])/).flatMap((part, i) => (i ? [document.createElement("wbr"), part] : [part]));
}

// columns: [{title, right, head}]; rows: arrays of text, elements or null.
export function table(caption, columns, rows, attributes) {
	return h(
		"table",
		attributes,
		h("caption", null, caption),
		h(
			"thead",
			null,
			h(
				"tr",
				null,
				columns.map((c) =>
					h("th", {scope: "col", class: c.right ? "number" : null}, c.title),
				),
			),
		),
		h(
			"tbody",
			null,
			rows.map((cells) =>
				h(
					"tr",
					null,
					cells.map((cell, i) =>
						columns[i].head
							? h("th", {scope: "row"}, cell ?? "")
							: h(
									"td",
									{class: columns[i].right ? "number" : null},
									cell ?? "",
								),
					),
				),
			),
		),
	);
}

// Something large that is made when it is first opened.
export function later(summary, make, attributes) {
	const e = h("details", attributes, h("summary", null, summary));
	const fill = () => {
		if (e.open && e.children.length === 1) e.append(make());
	};

	e.addEventListener("toggle", fill);
	return e;
}

// A chart with its text and the numbers behind it.
export function figure(title, description, chart, numbers) {
	chart.setAttribute("role", "img");
	chart.setAttribute("aria-label", `${title}. ${description}`);
	return h(
		"figure",
		null,
		h("figcaption", null, h("strong", null, title), " ", h("span", {class: "muted"}, description)),
		h("div", {class: "chart"}, chart),
		numbers ? later("The numbers", numbers, {class: "numbers"}) : null,
	);
}
