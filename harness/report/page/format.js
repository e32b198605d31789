// SPDX-License-Identifier: GPL-2.0-or-later
// Numbers as text, as `granule diff` prints them (harness/report/number.c).

const MINUS = "−";
const sign = (s) => s.replace(/-/g, MINUS);

function digits(v, n) {
	// %.*g without its exponents
	const magnitude = v === 0 ? 0 : Math.floor(Math.log10(Math.abs(v)));

	if (magnitude < -6) return v.toExponential(n - 1);
	return String(Number(v.toFixed(Math.min(20, Math.max(0, n - 1 - magnitude)))));
}

function bytes(v) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0,
		x = v;

	while (Math.abs(x) >= 1024 && i < units.length - 1) {
		x /= 1024;
		i++;
	}
	return `${i === 0 ? digits(x, 4) : x.toFixed(Math.abs(x) < 9.995 ? 2 : 1)} ${units[i]}`;
}

export function number(v, unit) {
	const suffixes = ["", "k", "M", "G", "T"];
	let i = 0,
		x = v;

	if (v === null || v === undefined) return "–";
	if (unit === "bytes") return sign(bytes(v));
	while (Math.abs(x) >= 9999.5 && i < suffixes.length - 1) {
		x /= 1000;
		i++;
	}
	return sign(digits(x, Math.abs(x) < 1 ? 3 : 4) + suffixes[i]);
}

const decimals = (percent) => (Math.abs(percent) < 9.995 ? 2 : Math.abs(percent) < 99.95 ? 1 : 0);
// From ten-fold up and from a tenth down a factor says more than per cent.
const asFactor = (c) => c >= 9 || (c <= -0.9 && c > -1);
const factor = (c, inverse) => (inverse ? `1/${digits(1 / (1 + c), 3)}` : `×${digits(1 + c, 3)}`);

function percent(c, places) {
	const text = (100 * c).toFixed(places);

	return c === 0 ? "0" : Number(text) === 0 ? (0).toFixed(places) : (c > 0 ? "+" : "") + text;
}

export function change(c) {
	if (c === null || c === undefined) return "";
	if (asFactor(c)) return factor(c, c < 0);
	return sign(percent(c, decimals(100 * c)) + "%");
}

export function interval(v) {
	if (v.low === null || v.high === null || v.change === null) return "";
	if (v.low === 0 && v.high === 0) return "exact";
	if (asFactor(v.change)) return `[${factor(v.low, v.change < 0)}, ${factor(v.high, v.change < 0)}]`;
	const places = Math.min(...[v.change, v.low, v.high].map((c) => decimals(100 * c)));

	return sign(`[${percent(v.low, places)}, ${percent(v.high, places)}]`);
}

export const size = (v) => (v >= 1 << 20 ? `${v / (1 << 20)}M` : `${v / 1024}K`);
export const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
