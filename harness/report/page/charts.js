// SPDX-License-Identifier: GPL-2.0-or-later
// The charts, by Observable Plot. Colours are the style sheet's, so that light, dark and print differ there only; what
// a colour says is also said by a sign or a filled form.
import {axisX, axisY, barX, dot, gridX, gridY, link, lineY, plot, ruleX, ruleY, text} from "@observablehq/plot";
import {change, number} from "./format.js";
import {verdictOf} from "./data.js";

const TONES = ["bad", "good", "open", "even", "none"];
const colour = (tone) => `var(--mark-${tone})`;
const LETTER_PX = 6.7;
const CUT = 46;
const cut = (s) => (s.length > CUT ? `${s.slice(0, CUT - 1)}…` : s);

// One left margin for all names of a chart; on a narrow page names stand above their line instead.
const margin = (names, width) =>
	Math.min(width * 0.45, 14 + LETTER_PX * Math.max(4, ...names.map((n) => Math.min(CUT, n.length))));

function draw(options) {
	const svg = plot({
		style: {fontFamily: "inherit", fontSize: "12px", background: "none", overflow: "visible"},
		...options,
	});

	svg.removeAttribute("font-family");
	return svg;
}

const names = (items) => axisY({label: null, tickSize: 0, tickFormat: (i) => cut(items[i].name), fontSize: 12});

// Changes as ratios: on a logarithmic axis a doubling and a halving are as far from none.
function ratioScale(items) {
	const ends = items
		.flatMap((d) => [d.value.change, d.value.low, d.value.high])
		.filter((c) => c !== null)
		.map((c) => 1 + c);
	const low = Math.min(1, ...ends),
		high = Math.max(1, ...ends);

	if (!(low > 0) || high / low < 4) return {type: "linear", domain: padded(low, high)};
	return {type: "log", domain: [low / 1.1, high * 1.1]};
}

function padded(low, high) {
	const room = Math.max((high - low) * 0.06, 0.002);

	return [low - room, high + room];
}

// Ticks of a logarithmic axis of ratios: a doubling apart, fewer where there is no room.
function ratioTicks(x, room) {
	if (x.type === "linear") return Math.max(3, room);
	const all = [];

	for (let e = Math.ceil(Math.log2(x.domain[0])); 2 ** e <= x.domain[1]; e++) all.push(e);
	const step = Math.max(1, Math.ceil(all.length / room));

	return all.filter((e) => e % step === 0).map((e) => 2 ** e);
}

// Whole powers of two of a byte, so that a tick reads as what it is.
function byteTicks(low, high, n) {
	const step = 2 ** Math.ceil(Math.log2(Math.max(1, (high - low) / n))),
		ticks = [];

	for (let v = Math.ceil(low / step) * step; v <= high; v += step) ticks.push(v);
	return ticks;
}

// 1, 2 and 5 of each decade.
function decades(low, high) {
	const ticks = [];

	for (let e = Math.floor(Math.log10(low)); 10 ** e <= high; e++)
		ticks.push(...[1, 2, 5].map((m) => m * 10 ** e).filter((v) => v >= low && v <= high));
	return ticks.length > 7 ? ticks.filter((v) => Number.isInteger(Math.log10(v))) : ticks;
}

const ticksOf = (unit, low, high, n) => (unit === "bytes" ? byteTicks(low, high, n) : n);
const ratioTick = (r) =>
	r === 1
		? "0"
		: change(Math.round((r - 1) * 1e6) / 1e6).replace(/\.?0+%$/, (zeros, at, text) =>
				text.includes(".") ? "%" : zeros,
			);

// Dots with intervals, one line a cell: items [{name, value}]. The band is the smallest change that matters.
export function changesChart(items, effect, width) {
	const x = ratioScale(items),
		left = margin(
			items.map((d) => d.name),
			width,
		),
		right = 84;
	const known = items
		.map((d, i) => ({...d, i}))
		.filter((d) => d.value.change !== null && (x.type === "linear" || 1 + d.value.change > 0));
	const tone = (d) => verdictOf(d.value.verdict).tone,
		ticks = ratioTicks(x, Math.max(3, Math.floor((width - left - right) / 80)));
	const ranged = known.filter((d) => d.value.low !== null && d.value.high !== null);

	return draw({
		width,
		height: 20 * items.length + 62,
		marginLeft: left,
		marginRight: right,
		marginTop: 8,
		marginBottom: 44,
		x,
		y: {type: "band", domain: items.map((_, i) => i), padding: 0.2},
		marks: [
			ruleX(
				[1 - effect, 1 + effect].filter((r) => r > x.domain[0] && r < x.domain[1]),
				{stroke: "var(--rule)", strokeDasharray: "2,3"},
			),
			ruleX([1], {stroke: "var(--axis)"}),
			gridX({stroke: "var(--rule)", strokeOpacity: 0.6, ticks}),
			axisX({label: "change →", ticks, tickFormat: ratioTick, labelAnchor: "right", tickSize: 3}),
			names(items),
			...TONES.map((t) =>
				ruleY(
					ranged.filter((d) => tone(d) === t),
					{
						y: "i",
						x1: (d) => 1 + d.value.low,
						x2: (d) => 1 + d.value.high,
						stroke: colour(t),
						strokeWidth: 2,
						strokeLinecap: "round",
					},
				),
			),
			...TONES.map((t) =>
				dot(
					known.filter((d) => tone(d) === t),
					{
						y: "i",
						x: (d) => 1 + d.value.change,
						r: 3.5,
						stroke: colour(t),
						strokeWidth: 1.5,
						fill: t === "bad" || t === "good" ? colour(t) : "var(--paper)",
					},
				),
			),
			text(
				items.map((d, i) => ({...d, i})),
				{
					y: "i",
					frameAnchor: "right",
					textAnchor: "end",
					dx: right - 2,
					fontVariant: "tabular-nums",
					text: (d) =>
						`${change(d.value.change) || "–"} ${verdictOf(d.value.verdict).sign}`,
					fill: "var(--ink)",
				},
			),
		],
	});
}

// A run by itself: each cell's median over boots, and what they span.
export function valuesChart(items, unit, width) {
	const left = margin(
			items.map((d) => d.name),
			width,
		),
		right = 84,
		all = items.map((d, i) => ({...d, i}));
	const ends = items.flatMap((d) => [d.value.low, d.value.high]),
		low = Math.min(...ends),
		high = Math.max(...ends);
	const x = low >= 0 && low < 0.5 * high ? [0, high * 1.03 || 1] : padded(low, high),
		ticks = ticksOf(unit, ...x, Math.max(3, Math.floor((width - left - right) / 90)));

	return draw({
		width,
		height: 20 * items.length + 62,
		marginLeft: left,
		marginRight: right,
		marginTop: 8,
		marginBottom: 44,
		x: {domain: x},
		y: {type: "band", domain: items.map((_, i) => i), padding: 0.2},
		marks: [
			gridX({stroke: "var(--rule)", ticks}),
			axisX({
				label: `${unit === "1" || unit === "bytes" ? "" : unit} →`,
				ticks,
				tickFormat: (v) => number(v, unit),
				tickSize: 3,
			}),
			names(items),
			ruleY(all, {
				y: "i",
				x1: (d) => d.value.low,
				x2: (d) => d.value.high,
				stroke: "var(--mark-even)",
				strokeWidth: 2,
			}),
			dot(all, {y: "i", x: (d) => d.value.base, r: 3.5, fill: "var(--mark-base)"}),
			text(all, {
				y: "i",
				frameAnchor: "right",
				textAnchor: "end",
				dx: right - 2,
				text: (d) => number(d.value.base, unit),
				fontVariant: "tabular-nums",
			}),
		],
	});
}

// Changes against the first run, run by run; items [{name, points: [{arm, value}]}].
export function trendChart(items, runs, effect, width) {
	const points = items.flatMap((d) =>
		d.points.filter((p) => p.value.change !== null).map((p) => ({...p, name: d.name})),
	);
	const last = items
		.map((d) => ({name: d.name, p: d.points[d.points.length - 1]}))
		.filter((d) => d.p && d.p.value.change !== null);
	const ratios = points.flatMap((p) => [p.value.change, p.value.low ?? 0, p.value.high ?? 0]).map((c) => 1 + c);
	const right = Math.min(
		width * 0.4,
		20 + LETTER_PX * Math.max(4, ...items.map((d) => Math.min(CUT, d.name.length))),
	);

	return draw({
		width,
		height: 320,
		marginLeft: 64,
		marginRight: right,
		marginBottom: 40,
		x: {type: "point", domain: runs.map((_, i) => i)},
		y: {domain: padded(Math.min(1, ...ratios), Math.max(1, ...ratios))},
		marks: [
			gridY({stroke: "var(--rule)"}),
			ruleY([1 - effect, 1 + effect], {stroke: "var(--rule)", strokeDasharray: "2,3", clip: true}),
			ruleY([1], {stroke: "var(--axis)"}),
			axisX({label: null, tickFormat: (i) => cut(runs[i]), tickSize: 3}),
			axisY({label: "↑ change against the first run", tickFormat: ratioTick, tickSize: 3}),
			lineY([...items.map((d) => ({name: d.name, arm: -1, value: {change: 0}})), ...points], {
				x: (p) => p.arm + 1,
				y: (p) => 1 + p.value.change,
				z: "name",
				stroke: "var(--mark-even)",
				strokeWidth: 1.25,
			}),
			ruleX(
				points.filter((p) => p.value.low !== null),
				{
					x: (p) => p.arm + 1,
					y1: (p) => 1 + p.value.low,
					y2: (p) => 1 + p.value.high,
					stroke: "var(--mark-even)",
					strokeWidth: 1.5,
				},
			),
			...TONES.map((t) =>
				dot(
					points.filter((p) => verdictOf(p.value.verdict).tone === t),
					{
						x: (p) => p.arm + 1,
						y: (p) => 1 + p.value.change,
						r: 3.5,
						stroke: colour(t),
						fill: t === "bad" || t === "good" ? colour(t) : "var(--paper)",
					},
				),
			),
			dot([1], {x: () => 0, y: () => 1, r: 3.5, fill: "var(--mark-base)"}),
			text(spaced(last, 320), {
				x: runs.length - 1,
				y: (d) => 1 + d.p.value.change,
				text: (d) => cut(d.name),
				textAnchor: "start",
				dx: 8,
			}),
		],
	});
}

// Of labels that would lie on each other, the first, which counts the others.
function spaced(labels, height) {
	const ratios = labels.map((d) => 1 + d.p.value.change),
		room = ((Math.max(...ratios) - Math.min(...ratios)) * 14) / height;
	const kept = [];

	for (const d of [...labels].sort((a, b) => b.p.value.change - a.p.value.change))
		if (!kept.length || kept[kept.length - 1].p.value.change - d.p.value.change > room)
			kept.push({...d, more: 0});
		else kept[kept.length - 1].more++;
	return kept.map((d) => (d.more ? {...d, name: `${d.name} and ${d.more} more`} : d));
}

// Memory against cost, base (hollow) and other (filled) of a cell joined.
// Items: [{name, base: {x, y}, other: {x, y} or null}].
export function tradeChart(items, xUnit, yLabel, yUnit, width) {
	const joined = items.filter((d) => d.other),
		ends = items.map((d) => ({name: d.name, ...(d.other ?? d.base)}));
	const points = items.flatMap((d) => [d.base, d.other]).filter((p) => p),
		xs = points.map((p) => p.x),
		ys = points.map((p) => p.y);
	const spread = (v) => padded(Math.min(...v), Math.max(...v)),
		logY = Math.min(...ys) > 0 && Math.max(...ys) / Math.min(...ys) > 4;
	const x = spread(xs),
		xTicks = ticksOf(xUnit, ...x, Math.max(2, Math.floor(width / 150)));

	const yTicks = logY ? decades(Math.min(...ys) / 1.15, Math.max(...ys) * 1.15) : 4;

	return draw({
		width,
		height: Math.max(220, Math.min(300, width * 0.62)),
		marginLeft: 58,
		marginRight: items.length <= 12 ? Math.min(150, width * 0.32) : 20,
		marginBottom: 40,
		marginTop: 26,
		x: {domain: x},
		y: logY
			? {type: "log", domain: [Math.min(...ys) / 1.15, Math.max(...ys) * 1.15]}
			: {domain: spread(ys)},
		marks: [
			gridX({stroke: "var(--rule)", ticks: xTicks}),
			gridY({stroke: "var(--rule)", ticks: yTicks}),
			axisX({label: "memory →", ticks: xTicks, tickFormat: (v) => number(v, xUnit), tickSize: 3}),
			axisY({
				label: `↑ ${yLabel}`,
				ticks: yTicks,
				tickFormat: (v) => number(v, yUnit),
				tickSize: 3,
			}),
			link(joined, {
				x1: (d) => d.base.x,
				y1: (d) => d.base.y,
				x2: (d) => d.other.x,
				y2: (d) => d.other.y,
				stroke: "var(--mark-even)",
				strokeWidth: 1,
				markerEnd: null,
			}),
			dot(items, {
				x: (d) => d.base.x,
				y: (d) => d.base.y,
				r: 4,
				stroke: "var(--mark-base)",
				fill: "var(--paper)",
				strokeWidth: 1.5,
			}),
			dot(joined, {
				x: (d) => d.other.x,
				y: (d) => d.other.y,
				r: 4,
				fill: "var(--mark-other)",
				stroke: "var(--mark-other)",
			}),
			items.length <= 12
				? text(apart(ends, logY, ys), {
						x: "x",
						y: "y",
						text: (d) => cut(d.name),
						textAnchor: "start",
						dx: 9,
						fill: "var(--ink)",
					})
				: null,
		].filter((m) => m),
	});
}

// Labels that would lie on each other are joined into one.
function apart(ends, log, ys) {
	const f = log ? Math.log : (v) => v,
		room = (f(Math.max(...ys)) - f(Math.min(...ys)) || 1) * 0.07,
		kept = [];

	for (const d of [...ends].sort((a, b) => b.y - a.y)) {
		const near = kept.find((k) => Math.abs(f(k.y) - f(d.y)) < room);

		if (near) near.name += `, ${d.name}`;
		else kept.push({...d});
	}
	return kept;
}

// A part's colour: one of six, or where parts are sizes a step from grey, the base page, to blue.
export function partColour(k, n, ordered) {
	return ordered
		? `color-mix(in oklab, var(--part-0) ${n > 1 ? Math.round((100 * k) / (n - 1)) : 100}%, var(--part-4))`
		: `var(--part-${k % 6})`;
}

// Stacked bars; rows [{name, parts: [{part, v}]}], parts in one order; @keys names them.
export function stackChart(rows, keys, unit, width, ordered) {
	const left = margin(
			rows.map((r) => r.name),
			width,
		),
		right = 76,
		data = [],
		sums = [];

	rows.forEach((r, i) => {
		let sum = 0;

		for (const {part, v} of r.parts) {
			if (v > 0) data.push({i, part, x1: sum, x2: sum + v});
			sum += Math.max(0, v);
		}
		sums.push({i, sum});
	});
	const most = Math.max(1, ...sums.map((s) => s.sum)),
		ticks = ticksOf(unit, 0, most, Math.max(2, Math.floor((width - left - right) / 90)));

	return draw({
		width,
		height: 17 * rows.length + 52,
		marginLeft: left,
		marginRight: right,
		marginTop: 4,
		marginBottom: 40,
		x: {domain: [0, most]},
		y: {type: "band", domain: rows.map((_, i) => i), padding: 0.25},
		marks: [
			gridX({stroke: "var(--rule)", ticks}),
			axisX({label: null, ticks, tickFormat: (v) => number(v, unit), tickSize: 3}),
			names(rows),
			...keys.map((key, k) =>
				barX(
					data.filter((d) => d.part === key),
					{
						y: "i",
						x1: "x1",
						x2: "x2",
						fill: partColour(k, keys.length, ordered),
						stroke: "var(--paper)",
						strokeWidth: 0.5,
					},
				),
			),
			ruleX([0], {stroke: "var(--axis)"}),
			text(sums, {
				y: "i",
				frameAnchor: "right",
				textAnchor: "end",
				dx: right - 2,
				text: (s) => number(s.sum, unit),
				fontVariant: "tabular-nums",
			}),
		],
	});
}

// What changed by name, the largest first: items [{name, base, other}].
export function differenceChart(items, label, unit, width) {
	const all = items.map((d, i) => ({...d, i, by: d.other - d.base})),
		left = margin(
			items.map((d) => d.name),
			width,
		),
		right = 86;
	const low = Math.min(0, ...all.map((d) => d.by)),
		high = Math.max(0, ...all.map((d) => d.by)),
		x = [low, high === low ? low + 1 : high];
	const ticks = ticksOf(unit, ...x, Math.max(3, Math.floor((width - left - right) / 90)));

	return draw({
		width,
		height: 18 * items.length + 58,
		marginLeft: left,
		marginRight: right,
		marginTop: 4,
		marginBottom: 44,
		x: {domain: x},
		y: {type: "band", domain: items.map((_, i) => i), padding: 0.25},
		marks: [
			gridX({stroke: "var(--rule)", ticks}),
			axisX({
				label: `${label} →`,
				ticks,
				tickSize: 3,
				tickFormat: (v) => (unit === "bytes" ? signed(v, unit) : String(v).replace("-", "−")),
			}),
			names(items),
			barX(
				all.filter((d) => d.by > 0),
				{y: "i", x: "by", fill: "var(--mark-bad)"},
			),
			barX(
				all.filter((d) => d.by < 0),
				{y: "i", x: "by", fill: "var(--mark-good)"},
			),
			ruleX([0], {stroke: "var(--axis)"}),
			text(all, {
				y: "i",
				frameAnchor: "right",
				textAnchor: "end",
				dx: right - 2,
				fontVariant: "tabular-nums",
				text: (d) => signed(d.by, unit),
			}),
		],
	});
}

const signed = (v, unit) =>
	`${v > 0 ? "+" : v < 0 ? "−" : ""}${unit === "bytes" ? number(Math.abs(v), unit) : Math.abs(v).toFixed(1)}`;
