// SPDX-License-Identifier: GPL-2.0-only
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define UUID "01234567-89ab-cdef-0123-456789abcdef"

/* Name, what of it stays, and the bundle; "" is none. */
static const char *const samples[][3] = {
	{ "nginx.service", "nginx.service", "" },
	{ "getty@tty1.service", "getty@tty1.service", "" },
	{ "user@1000.service", "user@1000.service", "" },
	{ "init.scope", "init.scope", "" },
	{ "session-5.scope", "session.scope", "" },
	{ "session-c2.scope", "session-c2.scope", "" },
	{ "run-u17.service", "run.service", "" },
	{ "run-p123-i456.service", "run.service", "" },
	{ "run-r" HEX32 ".scope", "run.scope", "" },
	{ "libpod-conmon-" HEX32 HEX32 ".scope", "libpod-conmon.scope", "" },
	{ "dbus-1.12.service", "dbus-1.12.service", "" },
	{ "snap.lxd.daemon.service", "snap.lxd.daemon.service", "snap:lxd.daemon" },
	{ "snap.firefox.firefox-" UUID ".scope", "snap.firefox.firefox.scope",
	  "snap:firefox.firefox" },
	{ "snap.firefox.firefox." UUID ".scope", "snap.firefox.firefox.scope",
	  "snap:firefox.firefox" },
	{ "app-gnome-org.gnome.Maps-1234.scope", "app-gnome-org.gnome.Maps.scope",
	  "desktop:org.gnome.Maps" },
	{ "app-org.kde.dolphin@" HEX32 ".service", "app-org.kde.dolphin.service",
	  "desktop:org.kde.dolphin" },
	{ "app-gnome\\x2dterminal@autostart.service",
	  "app-gnome\\x2dterminal@autostart.service", "desktop:gnome-terminal" },
	{ "app-gnome-firefox\\x2desr-99.scope", "app-gnome-firefox\\x2desr.scope",
	  "desktop:firefox-esr" },
	{ "app-flatpak-org.mozilla.firefox-4242.scope",
	  "app-flatpak-org.mozilla.firefox.scope", "flatpak:org.mozilla.firefox" },
	/* Almost, and what nobody should make. */
	{ "snap.service", "snap.service", "" },
	{ "snap.lxd.service", "snap.lxd.service", "" },
	{ "app-.service", "app-.service", "" },
	{ "app-x-.scope", "app-x-.scope", "" },
	{ "app-flatpak.scope", "app-flatpak.scope", "desktop:flatpak" },
	{ "5.scope", "5.scope", "" },
	{ "-5.scope", "-5.scope", "" },
	{ UUID ".scope", UUID ".scope", "" },
	{ "a\\x0ab.scope", "a\\x0ab.scope", "" },
	{ "app-a\\x0a\\x2.scope", "app-a\\x0a\\x2.scope", "desktop:a\\x0a\\x2" },
	{ "", "", "" },
	{ ".", ".", "" },
	{ "noend", "noend", "" },
};

static void test_names(void **state)
{
	char stable[UNIT_SIZE], bundle[UNIT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		unit_stable(samples[i][0], stable, sizeof(stable));
		if (strcmp(stable, samples[i][1]) != 0)
			fail_msg("%s: %s", samples[i][0], stable);
		if (!unit_bundle(stable, bundle, sizeof(bundle)))
			bundle[0] = '\0';
		if (strcmp(bundle, samples[i][2]) != 0)
			fail_msg("%s: bundle %s", samples[i][0], bundle);
	}
}

static void test_any_bytes(void **state)
{
	static const char alphabet[] = "--..@\\x2d0123abcdefupiappsnapflatpakscope";
	char text[UNIT_SIZE], stable[64], bundle[32];

	(void)state;
	srandom(7);
	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)random() % (sizeof(text) - 1);

		for (size_t n = 0; n < len; n++)
			text[n] = alphabet[random() % (long)(sizeof(alphabet) - 1)];
		text[len] = '\0';
		if (i % 2 && len > 5)
			memcpy(text, i % 4 == 1 ? "app-" : "snap.", i % 4 == 1 ? 4 : 5);
		memset(stable, 'x', sizeof(stable));
		memset(bundle, 'x', sizeof(bundle));
		unit_stable(text, stable, sizeof(stable) - 1);
		assert_true(strlen(stable) < sizeof(stable) - 1);
		if (unit_bundle(text, bundle, sizeof(bundle) - 1))
			assert_true(strlen(bundle) < sizeof(bundle) - 1);
		assert_int_equal(bundle[sizeof(bundle) - 1], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
