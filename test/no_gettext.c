/*
 * no_gettext.c
 *	  Loaded before the server for test/asan.sh: translations are left alone.
 *
 * Libraries that the server needs bind theirs in constructors that run before
 * AddressSanitizer's. The C library's lock around that is then released without
 * having been taken, and the server would wait for it forever.
 */
extern char *bindtextdomain(const char *domain, const char *directory);
extern char *bind_textdomain_codeset(const char *domain, const char *codeset);
extern char *textdomain(const char *domain);

char *
bindtextdomain(const char *domain, const char *directory)
{
	(void) domain;
	return (char *) directory;
}

char *
bind_textdomain_codeset(const char *domain, const char *codeset)
{
	(void) domain;
	return (char *) codeset;
}

char *
textdomain(const char *domain)
{
	return (char *) domain;
}
