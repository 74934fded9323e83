/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that run other files: which of their arguments says what they run. */
#ifndef NFAGENT_INTERPRETER_H
#define NFAGENT_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sockgate.pb-c.h"

#define CLASS(name) ((uint32_t)SOCKGATE__CLASS__CLASS_##name)

/* What an argument is that is no option. */
enum operand {
	OPERAND_FILE,		/* the script */
	OPERAND_CODE,		/* code itself */
	OPERAND_NAME,		/* looked for by the interpreter, in places of its own */
};

/*
 * One interpreter.  Texts are words with spaces between them, NULL for none; each may
 * be a pattern of fnmatch(3).  An option that is in none of them makes what is run
 * unverifiable: whether the next argument belongs to it is not guessed.
 *
 * A single letter ("-c") may be written together with others before it ("-Ic"), unless
 * @words.
 */
struct interpreter {
	const char *name;	/* of executables, without their directory */
	const char *flag;	/* options without a value */
	const char *value;	/* with one, behind it or as the next argument */
	const char *rest;	/* what is behind it in the argument is its value */
	const char *code;	/* the value is code */
	const char *module;	/* the value is a name, looked for like OPERAND_NAME */
	const char *file;	/* the value is the script */
	const char *input;	/* standard input is read */
	/* with a value: what is run before, or decides what is (a path, a setting) */
	const char *preload;
	const char *environment;	/* variables that name something to be run before */
	enum operand operand;
	bool words;
	bool plus;		/* "+x" is an option too */
	bool loader;		/* runs executables */
	bool multi;		/* is named by its first argument, or the one after */
};

/* An administrator's own, NULL-named at the end; they come before those known here. */
struct interpreters {
	const struct interpreter *own;
};

/*
 * interpreter_find - which one is it?
 * @name: of the executable, without its directory
 * Returns NULL if it is none that is known.
 */
const struct interpreter *interpreter_find(const struct interpreters *all,
					   const char *name);

/* What a process runs, by what it says of itself. */
struct invocation {
	uint32_t classes;	/* CLASS() of how it was called */
	const char *script;	/* with CLASS(SCRIPT) or CLASS(LOADER); in the arguments */
	const struct interpreter *as;	/* the one that it turned out to be; may be NULL */
};

/*
 * invocation_read - what do the arguments say?
 * @args: each with a NUL at its end, and one more behind all of them
 * @cut:  there are more than fit
 */
void invocation_read(const struct interpreters *all, const struct interpreter *is,
		     const char *args, size_t size, bool cut, struct invocation *out);

/*
 * interpreter_preloads - does a variable have something run before?
 * @is:       NULL: no interpreter
 * @variable: "NAME=VALUE"
 */
bool interpreter_preloads(const struct interpreter *is, const char *variable);

#endif
