// SPDX-License-Identifier: GPL-2.0-or-later
// What report-page-test asks a page that is open in the browser. Nothing of it is in the page itself.
globalThis.checks = (() => {
	const all = (selector, root = document) => [...root.querySelectorAll(selector)];
	const rows = () => all("#overview .scroller tbody tr[role=row]");

	function rgb(text) {
		const n = text.match(/[\d.]+/g).map(Number);

		return text.startsWith("color(srgb")
			? [...n.slice(0, 3).map((v) => v * 255), n[3] ?? 1]
			: [n[0], n[1], n[2], n[3] ?? 1];
	}

	// WCAG 2.1, "relative luminance" and "contrast ratio".
	function luminance([r, g, b]) {
		const linear = (v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);

		return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
	}

	function ratio(a, b) {
		const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);

		return (high + 0.05) / (low + 0.05);
	}

	// What @e stands on: the nearest ancestor that paints.
	function ground(e) {
		for (; e; e = e.parentElement) {
			const colour = rgb(getComputedStyle(e).backgroundColor);

			if (colour[3] === 1) return colour;
		}
		return [255, 255, 255, 1];
	}

	function visible(e) {
		const style = getComputedStyle(e),
			box = e.getBoundingClientRect();

		return (
			box.width > 1 &&
			box.height > 1 &&
			style.visibility === "visible" &&
			!e.closest(".said, [disabled], .skip, option, optgroup")
		);
	}

	return {
		rowNames: () => rows().map((r) => r.querySelector("th").textContent),
		rowCount: () =>
			Number(document.querySelector("#overview .scroller table").getAttribute("aria-rowcount")) - 1,
		drawnRows: () => rows().length,
		// Every row of the overview, by scrolling through it.
		async allNames() {
			const box = document.querySelector("#overview .scroller"),
				seen = new Set();

			for (let y = 0; ; y += 300) {
				box.scrollTop = y;
				await new Promise((done) => setTimeout(done, 20));
				this.rowNames().forEach((n) => seen.add(n));
				if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) return [...seen];
			}
		},
		async drawAll() {
			for (const section of all("section.workload")) {
				section.scrollIntoView();
				await new Promise((done) => setTimeout(done, 60));
			}
			all("details").forEach((d) => {
				d.open = true;
			});
			await new Promise((done) => setTimeout(done, 60));
		},
		// Texts with less than 4.5:1 to what they stand on.
		faint() {
			const found = [];

			for (const e of all("body *")) {
				const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());

				if (!own || !visible(e)) continue;
				const style = getComputedStyle(e),
					colour = rgb(e instanceof SVGElement ? style.fill : style.color),
					r = ratio(colour, ground(e));

				if (r < 4.5)
					found.push(
						`${e.tagName}.${e.getAttribute("class")} '${e.textContent.trim().slice(0, 30)}' ${r.toFixed(2)}`,
					);
			}
			return found;
		},
		texts: () =>
			all("body *").filter(
				(e) =>
					[...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) &&
					visible(e),
			).length,
		// Marks of charts with less than 3:1 (WCAG 2.1, 1.4.11).
		faintMarks: () =>
			all(".chart svg [aria-label=dot] circle, .chart svg [aria-label=bar] rect").flatMap((e) => {
				const style = getComputedStyle(e),
					of = [style.fill, style.stroke, getComputedStyle(e.parentElement).fill]
						.filter((c) => c !== "none")
						.map(rgb);
				const best = Math.max(...of.map((c) => ratio(c, ground(e))));

				return best < 3
					? [`${e.parentElement.getAttribute("aria-label")} ${best.toFixed(2)}`]
					: [];
			}),
		nameless: () =>
			all("svg").filter(
				(s) =>
					s.getAttribute("role") !== "img" ||
					(s.getAttribute("aria-label") ?? "").length < 10,
			).length +
			all("input, select").filter((e) => !document.querySelector(`label[for="${e.id}"]`)).length +
			all("button").filter((b) => !b.textContent.trim()).length,
		tableless: () =>
			all("figure")
				.filter((f) => !f.querySelector("table"))
				.map((f) => f.querySelector("figcaption").textContent),
		overflow: () => document.documentElement.scrollWidth - innerWidth,
		// On paper: sections of which something is cut off, below or at the right.
		cut: () =>
			all("section.workload, .printed")
				.filter(
					(s) =>
						s.scrollHeight > s.clientHeight + 1 ||
						s.scrollWidth > s.clientWidth + 1,
				)
				.map(
					(s) =>
						`${s.dataset.workload} ${s.scrollWidth}x${s.scrollHeight} in ${s.clientWidth}x${s.clientHeight}`,
				),
		key(key, options = {}) {
			document.activeElement.dispatchEvent(
				new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true, ...options}),
			);
		},
		type(text) {
			const q = document.getElementById("q");

			q.value = text;
			q.dispatchEvent(new Event("input", {bubbles: true}));
		},
	};
})();
