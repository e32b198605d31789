# SPDX-License-Identifier: GPL-2.0-or-later
# What R says of the samples below: `Rscript harness/tests/ranks/make.R >harness/tests/ranks/expected.txt` (Debian's r-base-core).
# stat-rank-test.c reads it; a test run needs no R. Lines: what, parameters, then the values with 17 digits.
put <- function(...) cat(paste(sapply(list(...), function(x) if (is.character(x)) x else sprintf("%.17g", x))), "\n")
list_of <- function(x) paste(sprintf("%.17g", x), collapse = ",")

set.seed(20261125, kind = "Mersenne-Twister")
for (n in c(6, 7, 10, 15, 30, 49)) {
	v <- rnorm(n, 0.4)
	for (level in c(0.95, 0.99)) {
		t <- suppressWarnings(wilcox.test(v, exact = TRUE, conf.int = TRUE, conf.level = level))
		reachable <- 2 * psignrank(0, n) <= 1 - level
		if (reachable)
			put("one", level, t$statistic, t$p.value, t$estimate, t$conf.int[1], t$conf.int[2], list_of(v))
	}
}
for (size in list(c(4, 4), c(5, 7), c(10, 10), c(3, 20), c(30, 25), c(49, 49))) {
	a <- rexp(size[1]); b <- rexp(size[2]) + 0.3
	for (level in c(0.95, 0.99)) {
		t <- wilcox.test(b, a, exact = TRUE, conf.int = TRUE, conf.level = level)
		if (2 * pwilcox(0, size[1], size[2]) <= 1 - level)
			put("two", level, t$statistic, t$p.value, t$estimate, t$conf.int[1], t$conf.int[2], list_of(a), list_of(b))
	}
}
# beyond the exact sizes: normal, with ties and a continuity correction
v <- round(rnorm(80, 0.2), 1); t <- wilcox.test(v, exact = FALSE, correct = TRUE)
put("one-normal", t$statistic, t$p.value, list_of(v))
a <- round(rexp(60), 1); b <- round(rexp(70) + 0.1, 1); t <- wilcox.test(b, a, exact = FALSE, correct = TRUE)
put("two-normal", t$statistic, t$p.value, list_of(a), list_of(b))
for (c in list(c(3, 1, 10, 1), c(0, 1, 6, 1), c(7, 2, 9, 5), c(40, 1, 60, 1), c(5, 10, 0, 3))) {
	t <- poisson.test(c(c[3], c[1]), c(c[4], c[2]))
	put("counts", c[1], c[2], c[3], c[4], t$p.value, t$estimate, t$conf.int[1], t$conf.int[2])
}
for (c in list(c(0, 10, 4, 10), c(1, 10, 9, 11), c(3, 3, 0, 3), c(2, 30, 5, 12), c(0, 5, 0, 5)))
	put("fisher", c[1], c[2], c[3], c[4],
	    fisher.test(matrix(c(c[1], c[2] - c[1], c[3], c[4] - c[3]), 2))$p.value)
# exact where the library approximates: just beyond its limit
for (w in seq(390, 660, by = 30)) put("near-one", 51, w, 2 * psignrank(w, 51))
for (u in seq(910, 1290, by = 38)) put("near-two", 51, u, 2 * pwilcox(u, 51, 51))
