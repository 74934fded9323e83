// SPDX-License-Identifier: GPL-2.0-only
#include "interpreter.h"

#include <fnmatch.h>
#include <string.h>

#define WORD_MAX 64

#define SHELL_FLAGS							\
	"-a -b -e -f -h -i -k -l -m -n -p -t -u -v -x -B -C -E -H -I -P -T -V "	\
	"+a +b +e +f +h +k +m +n +p +t +u +v +x +B +C +E +H +I +P +T +V"

/* By their manuals; see nfagent.conf(5) for others. */
static const struct interpreter known[] = {
	{
		.name = "python python[23]* pypy pypy[23]*",
		.flag = "-b -B -d -E -h -i -I -O -P -q -s -S -u -v -V -x -[?] --help* --version",
		.value = "-W -X --check-hash-based-pycs",
		.code = "-c",
		.module = "-m",
		.environment = "PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE",
	}, {
		.name = "perl perl5*",
		.flag = "-a -c -f -h -n -p -s -t -T -u -U -v -w -W -X -l -[0-9]",
		.rest = "-i -C -D -d -F -V -x",
		.code = "-e -E",
		.preload = "-I -M* -m* -d -F",
		.environment = "PERL5OPT PERL5LIB PERLLIB PERL5DB",
	}, {
		.name = "ruby ruby[0-9]*",
		.flag = "-a -c -d -h -l -n -p -s -v -w -y -[0-9] --version --verbose --help "
			"--enable-* --disable-* --*=* --jit --yjit",
		.value = "-E --enable --disable",
		.rest = "-F -i -K -T -W -x",
		.code = "-e",
		.preload = "-r -I",
		.environment = "RUBYOPT RUBYLIB",
	}, {
		.name = "node nodejs node[0-9]*",
		.flag = "-c -h -v --check --help --version --*=* --inspect --inspect-brk "
			"--inspect-wait --trace-warnings --trace-uncaught --trace-exit "
			"--trace-deprecation --trace-sync-io --no-* --expose-gc --harmony* "
			"--preserve-symlinks --preserve-symlinks-main --enable-source-maps "
			"--throw-deprecation --pending-deprecation --use-openssl-ca "
			"--use-bundled-ca --watch --abort-on-uncaught-exception "
			"--experimental-vm-modules --experimental-modules",
		.value = "-C --conditions",
		.code = "-e -p --eval --print",
		.input = "-i --interactive",
		.preload = "-r --require --import --loader --experimental-loader",
		.environment = "NODE_OPTIONS NODE_PATH",
	}, {
		.name = "php php[0-9]*",
		.flag = "-C -e -h -H -i -l -m -n -q -s -v -w --ini --version --help",
		.value = "-g",
		.code = "-r -B -R -E --run --process-begin --process-code --process-end",
		.file = "-f -F --file --process-file",
		.input = "-a --interactive --",
		.preload = "-c -d -z",
		.environment = "PHPRC PHP_INI_SCAN_DIR",
	}, {
		.name = "bash rbash",
		.flag = SHELL_FLAGS " -r -D --login --posix --noprofile --norc --noediting "
			"--restricted --verbose --version --help --debugger --dump-*",
		.value = "-o -O +o +O --rcfile --init-file",
		.code = "-c",
		.input = "-s",
		.environment = "BASH_ENV ENV",
		.plus = true,
	}, {
		.name = "sh dash ash hush ksh ksh93 mksh yash posh zsh zsh[0-9]*",
		.flag = SHELL_FLAGS " -q",
		.value = "-o +o",
		.code = "-c",
		.input = "-s",
		.environment = "ENV ZDOTDIR",
		.plus = true,
	}, {
		.name = "awk gawk mawk nawk original-awk",
		.flag = "--posix --re-interval --traditional --sandbox --lint",
		.value = "-F -v --field-separator --assign",
		.file = "-f --file",
		.operand = OPERAND_CODE,
		.environment = "AWKPATH AWKLIBPATH",
	}, {
		.name = "lua lua5* luajit luajit-*",
		.flag = "-E -i -v -W",
		.code = "-e",
		.preload = "-l",
		.environment = "LUA_INIT* LUA_PATH* LUA_CPATH*",
	}, {
		.name = "tclsh tclsh[0-9]* wish wish[0-9]*",
		.value = "-encoding",
		.words = true,
		.environment = "TCLLIBPATH",
	}, {
		.name = "java",
		.flag = "-X* -D* -ea* -da* -enableassertions* -disableassertions* -esa -dsa "
			"-server -client -verbose* -show* --show* -splash:* --enable-* "
			"-version --version --*=*",
		.value = "-cp -classpath --class-path -p --module-path --upgrade-module-path "
			 "--add-modules --add-exports --add-opens --add-reads "
			 "--limit-modules --patch-module",
		.module = "-m --module",
		.file = "-jar",
		.preload = "-javaagent:* -agentlib:* -agentpath:* -Xbootclasspath* "
			   "-XX:OnError -XX:OnOutOfMemoryError -XX:Flags -XX:VMOptionsFile",
		.environment = "JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS",
		.operand = OPERAND_NAME,
		.words = true,
	}, {
		.name = "ld.so ld-linux*.so* ld-[0-9]*.so ld64.so* ld-musl-*.so*",
		.flag = "--inhibit-cache --list* --verify --help --version",
		.value = "--library-path --argv0 --inhibit-rpath --glibc-hwcaps-prepend "
			 "--glibc-hwcaps-mask",
		.preload = "--preload --audit",
		.words = true,
		.loader = true,
	}, {
		.name = "busybox busybox.*",
		.multi = true,
	},
	{ 0 },
};

/* ---- words ---- */

/* Most of them do, and each executable is looked for among all of them. */
static bool begins_otherwise(const char *pattern, const char *text, size_t len)
{
	return !strchr("*?[\\", *pattern) && (!len || *pattern != *text);
}

/* Is @text, of @len bytes, one of the words?  *@glob: by a pattern */
static bool is_one_of(const char *words, const char *text, size_t len, bool *glob)
{
	char word[WORD_MAX], copy[WORD_MAX * 4];
	size_t n;

	if (glob)
		*glob = false;
	if (!words || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (; *words; words += n) {
		words += strspn(words, " ");
		n = strcspn(words, " ");
		if (!n || n >= sizeof(word) || begins_otherwise(words, text, len))
			continue;
		memcpy(word, words, n);
		word[n] = '\0';
		if (fnmatch(word, copy, 0))
			continue;
		if (glob)
			*glob = strpbrk(word, "*?[") != NULL;
		return true;
	}
	return false;
}

static const struct interpreter *find_in(const struct interpreter *list, const char *name)
{
	for (; list && list->name; list++)
		if (is_one_of(list->name, name, strlen(name), NULL))
			return list;
	return NULL;
}

const struct interpreter *interpreter_find(const struct interpreters *all,
					   const char *name)
{
	const struct interpreter *own = find_in(all ? all->own : NULL, name);

	return own ? own : find_in(known, name);
}

/* ---- arguments ---- */

struct arguments_left {
	const char *at;
	size_t size;
	bool cut;
};

/* The next one; NULL if there is none, or if it is not all there. */
static const char *next(struct arguments_left *left)
{
	const char *arg = left->at;
	size_t len = strnlen(arg, left->size);

	if (!left->size || (len == left->size && left->cut))
		return NULL;
	if (len < left->size)
		len++;
	left->at += len;
	left->size -= len;
	return arg;
}

/* How one argument ends the search, or does not. */
enum step { GO_ON, DONE };

static enum step settle(struct invocation *out, uint32_t class)
{
	out->classes |= class;
	return DONE;
}

static enum step found(struct invocation *out, const struct interpreter *is,
		       const char *script)
{
	if (!script || !*script)
		return settle(out, CLASS(UNVERIFIABLE));
	out->script = script;
	return settle(out, is->loader ? CLASS(LOADER) : CLASS(SCRIPT));
}

/* @behind: what stands behind the option in its own argument, or NULL */
static enum step take_value(struct invocation *out, struct arguments_left *left,
			    const char *behind)
{
	return behind || next(left) ? GO_ON : settle(out, CLASS(UNVERIFIABLE));
}

/*
 * An option by itself, without what is behind it.
 * Returns false if it is in no list.
 */
static bool take_option(const struct interpreter *is, const char *option, size_t len,
			const char *behind, struct arguments_left *left,
			struct invocation *out, enum step *step)
{
	bool glob;

	*step = GO_ON;
	if (is_one_of(is->code, option, len, NULL)) {
		*step = settle(out, CLASS(COMMAND));
	} else if (is_one_of(is->module, option, len, NULL)) {
		*step = settle(out, CLASS(MODULE));
	} else if (is_one_of(is->input, option, len, NULL)) {
		*step = settle(out, CLASS(STDIN));
	} else if (is_one_of(is->file, option, len, NULL)) {
		*step = found(out, is, behind ? behind : next(left));
	} else if (is_one_of(is->preload, option, len, &glob)) {
		out->classes |= CLASS(PRELOAD);
		/* A pattern has its value in it. */
		*step = glob ? GO_ON : take_value(out, left, behind);
	} else if (is_one_of(is->value, option, len, NULL)) {
		*step = take_value(out, left, behind);
	} else {
		return is_one_of(is->flag, option, len, NULL);
	}
	return true;
}

/* Letters written together: "-Ic", "-lane". */
static enum step take_letters(const struct interpreter *is, const char *arg,
			      struct arguments_left *left, struct invocation *out)
{
	char option[3] = { arg[0] };
	enum step step = GO_ON;

	for (size_t i = 1; arg[i] && step == GO_ON; i++) {
		const char *behind = arg[i + 1] ? &arg[i + 1] : NULL;

		option[1] = arg[i];
		if (is_one_of(is->rest, option, 2, NULL)) {
			if (is_one_of(is->preload, option, 2, NULL))
				out->classes |= CLASS(PRELOAD);
			return GO_ON;
		}
		/* Of perl's -Mstrict the letter decides. */
		if (is_one_of(is->preload, option, 2, NULL)) {
			out->classes |= CLASS(PRELOAD);
			return take_value(out, left, behind);
		}
		if (!is->plus && is_one_of(is->value, option, 2, NULL))
			return take_value(out, left, behind);
		/* To a shell the letters behind it are options, and its value is next. */
		if (!take_option(is, option, 2, is->plus ? NULL : behind, left, out,
				 &step))
			return settle(out, CLASS(UNVERIFIABLE));
	}
	return step;
}

/* "--name", "--name=value", "-word", "-x". */
static enum step take_dashes(const struct interpreter *is, const char *arg,
			     struct arguments_left *left, struct invocation *out)
{
	const char *equals = arg[1] == '-' || is->words ? strchr(arg, '=') : NULL;
	enum step step;

	if (equals && take_option(is, arg, (size_t)(equals - arg), equals + 1, left, out,
				  &step))
		return step;
	if ((arg[1] == '-' || is->words) &&
	    take_option(is, arg, strlen(arg), NULL, left, out, &step))
		return step;
	if (arg[1] == '-' || is->words)
		return settle(out, CLASS(UNVERIFIABLE));
	return take_letters(is, arg, left, out);
}

static enum step take_operand(const struct interpreter *is, const char *arg,
			      struct invocation *out)
{
	switch (is->operand) {
	case OPERAND_CODE:
		return settle(out, CLASS(COMMAND));
	case OPERAND_NAME:
		return settle(out, *arg == '@' ? CLASS(UNVERIFIABLE) : CLASS(MODULE));
	default:
		return found(out, is, arg);
	}
}

/* Nothing is left: it reads its standard input, if that is what it does. */
static enum step take_end(const struct interpreter *is, const struct arguments_left *left,
			  struct invocation *out)
{
	if (left->size || left->cut || is->loader || is->operand != OPERAND_FILE)
		return settle(out, CLASS(UNVERIFIABLE));
	return settle(out, CLASS(STDIN));
}

static enum step take_one(const struct interpreter *is, struct arguments_left *left,
			  struct invocation *out)
{
	const char *arg = next(left);

	if (!arg)
		return take_end(is, left, out);
	if (!strcmp(arg, "--") && is_one_of(is->input, arg, 2, NULL))
		return settle(out, CLASS(STDIN));
	if (!strcmp(arg, "--")) {
		arg = next(left);
		return arg ? take_operand(is, arg, out) : take_end(is, left, out);
	}
	if (!strcmp(arg, "-"))
		return settle(out, CLASS(STDIN));
	if (*arg == '-' || (*arg == '+' && is->plus && arg[1]))
		return take_dashes(is, arg, left, out);
	return take_operand(is, arg, out);
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What a program of many names is called as; NULL: no interpreter. */
static const struct interpreter *called_as(const struct interpreters *all,
					   const struct interpreter *is,
					   const char *first, struct arguments_left *left)
{
	const char *name = base(first);
	const struct interpreter *as;

	if (is_one_of(is->name, name, strlen(name), NULL)) {
		name = next(left);
		if (!name)
			return NULL;
	}
	as = interpreter_find(all, base(*name == '-' ? name + 1 : name));
	return as && !as->multi && !as->loader ? as : NULL;
}

void invocation_read(const struct interpreters *all, const struct interpreter *is,
		     const char *args, size_t size, bool cut, struct invocation *out)
{
	struct arguments_left left = { args, size, cut };
	const char *first = next(&left);

	*out = (struct invocation){ .as = is };
	if (!first) {
		settle(out, CLASS(UNVERIFIABLE));
		return;
	}
	if (is->multi)
		out->as = is = called_as(all, is, first, &left);
	if (!is) {
		settle(out, cut ? CLASS(UNVERIFIABLE) : CLASS(BINARY));
		return;
	}
	while (take_one(is, &left, out) == GO_ON)
		;
}

/* ---- the environment ---- */

bool interpreter_preloads(const struct interpreter *is, const char *variable)
{
	const char *equals = strchr(variable, '=');

	if (!equals || !equals[1])
		return false;
	return is_one_of("LD_PRELOAD LD_AUDIT", variable, (size_t)(equals - variable),
			 NULL) ||
	       (is && is_one_of(is->environment, variable, (size_t)(equals - variable),
				NULL));
}
