// SPDX-License-Identifier: GPL-2.0-or-later
// build.mjs MODULES OUTPUT: bundles the page's scripts with what MODULES/node_modules has, and puts styles, script and the
// script's digest (for the page's own Content-Security-Policy) into page.html. Started by tools/page.
import {createHash} from "node:crypto";
import {createRequire} from "node:module";
import {readFileSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

const [modules, output] = process.argv.slice(2),
	here = dirname(fileURLToPath(import.meta.url));
const {buildSync} = createRequire(join(modules, "package.json"))("esbuild");

function bundle(entry) {
	const result = buildSync({
		entryPoints: [join(here, entry)],
		bundle: true,
		minify: true,
		write: false,
		charset: "ascii",
		legalComments: "none",
		format: "iife",
		target: "es2022",
		nodePaths: [join(modules, "node_modules")],
		logLevel: "warning",
	});

	return result.outputFiles[0].text;
}

const script = bundle("page.js"),
	style = bundle("style.css");
const parts = {HASH: createHash("sha256").update(script).digest("base64"), STYLE: style, SCRIPT: script};

if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style) || [script, style].some((s) => s.includes("@DATA@")))
	throw new Error("the bundle would end its own element, or holds the data's place");
writeFileSync(
	output,
	readFileSync(join(here, "page.html"), "utf8").replace(/@(HASH|STYLE|SCRIPT)@/g, (_, key) => parts[key]),
);
