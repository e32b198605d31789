/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A headless Chromium for tests of pages, by its DevTools protocol over two pipes: no port, no network, no driver. Every function
 * fails the test if the browser does not answer within 60 s. */
#ifndef GRANULE_TESTS_BROWSER_H
#define GRANULE_TESTS_BROWSER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct browser;

/* NULL with a sentence in @ret_why_not (owned by the caller) where there is no Chromium; with $GRANULE_REQUIRE_PAGE set that
 * fails the test instead. @dir: a folder for its profile. */
struct browser *browser_start(const char *dir, char **ret_why_not);
void browser_stop(struct browser *browser);

/* Open file @path with @fragment ("q=64k", or "") in a fresh tab and wait until it has loaded. What an earlier page said on its
 * console is forgotten. */
void browser_open(struct browser *browser, const char *path, const char *fragment, unsigned int width, bool dark);
/* The value of a JavaScript expression, promises awaited; an exception fails the test. Owned by the caller. */
json_t *browser_eval(struct browser *browser, const char *expression);
/* The same, a whole number. */
long browser_number(struct browser *browser, const char *expression);
/* What the page's console said so far as errors and warnings, exceptions included; "" if nothing. Borrowed. */
const char *browser_complaints(const struct browser *browser);
/* Lay the open page out as on paper of this width, with what it does before it is printed. */
void browser_paper(struct browser *browser, unsigned int width);
/* Print to a PDF as a person would. */
void browser_print(struct browser *browser, const char *path);

#endif
