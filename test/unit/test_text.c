/*
 * test_text.c
 *	  The tokeniser, the Unicode tables and the vocabulary. The tables below
 *	  are the specification: a text, and its tokens joined by spaces.
 */
#include "check.h"

#include "../../src/text/hash.h"
#include "../../src/text/vocabulary.h"
#include "text_invariants.h"

typedef struct example
{
	const char *text;
	const char *tokens;
} example;

static const example default_examples[] = {
	/* words */
	{ "", "" },
	{ "   \t\n ", "" },
	{ "Hello World", "hello world" },
	{ "ÜNÏCÖDÉ Привет İstanbul", "ünïcödé привет istanbul" },
	{ "well-known foo_bar _so_", "well known foo bar so" },
	{ "and/or", "and / or" },
	{ "gr8 b4 covid19 m²", "gr8 b4 covid19 m²" },
	{ "soft\xC2\xADhyphen zero\xE2\x80\x8Bwidth jo\xE2\x80\x8Din", "softhyphen zero width join" },
	{ "a\x01"
	  "b\x7f"
	  "c\x1b[d",
	  "a b c [ d" },
	{ "日本語テスト ok", "日 本 語 テ ス ト ok" },
	{ "안녕하세요 세상", "안녕하세요 세상" },
	{ "e\xCC\x81t\xCC\x81 \xCC\x81", "e\xCC\x81t\xCC\x81" },
	/* repeated letters and laughter */
	{ "soooo sooo soo so", "soo soo soo so" },
	{ "NOOOOooo yesss", "noo yess" },
	{ "hahahaha HAHAH haha hehehehe lololol ahahaha", "haha haha haha hehe lol ahah" },
	{ "lol lolly ohio heehaw", "lol lolly ohio heehaw" },
	/* contractions, with any apostrophe */
	{ "I'm don't can't won't it's they'll", "i 'm do n't ca n't wo n't it 's they 'll" },
	{ "we've I'd you're John's", "we 've i 'd you 're john 's" },
	{ "it’s don`t I´m sheʼs", "it 's do n't i 'm she 's" },
	{ "it&#39;s CAN'T", "it 's ca n't" },
	{ "shouldn't've I'd've", "should n't 've i 'd 've" },
	{ "o'clock y'all n't dont", "o'clock y'all n't dont" },
	{ "dogs' 'quoted' 's", "dogs ' ' quoted ' ' s" },
	/* punctuation */
	{ "wow! wow!! wow!!!!! what? what?? what?????", "wow ! wow !! wow !! what ? what ?? what ??" },
	{ "no?! no!? no!?!?!", "no !? no !? no !?" },
	{ "a. b.. c... d..... e… f.…", "a . b ... c ... d ... e ... f ..." },
	{ "“quoted” ‘q’ -- **b**", "\" quoted \" ' q ' - * b *" },
	{ "($5) 50% a=b", "( $ <number> ) <number> % a = b" },
	/* entities */
	{ "R&amp;B &lt;3 &quot;x&quot; a &gt; b", "r & b <3 \" x \" a > b" },
	{ "a&nbsp;b&#x200B;c &bogus; &#0; &", "a b c & bogus ; & # <number> ; &" },
	{ "&amp;lt;", "& lt ;" },
	/* addresses */
	{ "see http://foo.com/a_(b). Or (https://x.y/?a=b&amp;c), ok",
	  "see <url> . or ( <url> ) , ok" },
	{ "www.foo.com! imgur.com/a/b foo.org, youtu.be/xyz", "<url> ! <url> <url> , <url>" },
	{ "[text](http://foo.com/) WWW.FOO.COM http://a/:/", "[ text ] ( <url> ) <url> <url>" },
	{ "ok.so end.Start is.it http:// www. foo.comb",
	  "ok . so end . start is . it http : / ww . foo . comb" },
	{ "@bob @Bob_1: hi@ @ (@x)", "<user> <user> : hi @ @ ( <user> )" },
	{ "u/foo /u/foo-bar r/aww /r/AskReddit R/x1",
	  "<user> <user> <subreddit> <subreddit> <subreddit>" },
	{ "and/or/u/x w/o he/she r/ u/", "and / or / u / x w / o he / she r / u /" },
	{ "@bob's", "<user> 's" },
	/* numbers */
	{ "3 3.5 1,000.50 3:30 2019-2020", "<number> <number> <number> <number> <number> <number>" },
	{ "15th 1st 2nite 3:30pm 90's", "<number> th 1st 2nite <number> pm <number> 's" },
	{ "10/10 3. 5, .5", "<number> / <number> <number> . <number> , . <number>" },
	{ "٣٤ x", "<number> x" },
	/* hashtags */
	{ "#love #ThrowbackThursday #BBCNews #iPhone #ILoveYou",
	  "love throwback thursday bbc news iphone i love you" },
	{ "#a_b #2019goals #1 C# ##x #", "a b <number> goals # <number> c # # x #" },
	/* placeholders */
	{ "[NAME]'s [RELIGION] [name]. [Deleted]", "[name] 's [religion] [name] . [deleted]" },
	{ "[FOO] [NAME [NAMES]", "[ foo ] [ name [ names ]" },
	{ "<url> <number>", "< url > < number >" },
	/* emoticons */
	{ ":) :-) =) :] :)))) (: (-:", ":) :) :) :) :) :) :)" },
	{ ":( :-( :[ :'( ):", ":( :( :( :'( :(" },
	{ ";) ;-) ;D :D :d :-D xD XDDD", ";) ;) ;D :D :D :D xD xD" },
	{ ":P :p :o :O :/ :\\ :| :* :3 :S", ":p :p :o :o :/ :/ :| :* :3 :s" },
	{ "<3 <333 </3 &lt;3 >:( &gt;:( D:", "<3 <3 </3 <3 >:( >:( D:" },
	{ "^_^ ^.^ -_- T_T ;_; o_O O.o >.< u_u", "^_^ ^_^ -_- T_T ;_; o_o o_o >_< u_u" },
	{ "¯\\_(ツ)_/¯ ¯\\(ツ)/¯ ಠ_ಠ \\o/", "¯\\_(ツ)_/¯ ¯\\_(ツ)_/¯ ಠ_ಠ \\o/" },
	{ "( ͡° ͜ʖ ͡°) (╯°□°)╯︵ ┻━┻", "(͡°͜ʖ͡°) (╯°□°)╯︵┻━┻" },
	{ "great /s", "great /s" },
	{ "reply:) fun:D ok:(", "reply :) fun :D ok :(" },
	/* what only looks like one */
	{ "3:30 note:(see this) (this): x=D2 yes/so",
	  "<number> note : ( see this ) ( this ) : x = d2 yes / so" },
	{ "if x <30 or 8:3", "if x < <number> or <number>" },
	{ "ratio:p300 :Don't", "ratio : p300 : do n't" },
	/* emoji */
	{ "👍🏽 👍 👍🏿", "👍 👍" },
	{ "😂😂😂😂 ok 😂😭😂", "😂 😂 ok 😂 😭 😂" },
	{ "❤️ ❤ ☺️ ©", "❤ ❤ ☺ ©" },
	{ "🤷🏽‍♀️ 🤷‍♂️ ok 🤷", "🤷 🤷 ok 🤷" },
	{ "👨‍👩‍👧 🏳️‍🌈", "👨‍👩‍👧 🏳‍🌈" },
	{ "🇩🇪🇫🇷 🇩 x", "🇩🇪 🇫🇷 🇩 x" },
	{ "1️⃣ #️⃣", "1⃣ #⃣" },
	{ "a😂b\xE2\x80\x8D😂", "a 😂 b 😂" },
	/* not UTF-8 */
	{ "a\xff"
	  "b \xc0\x80 \xed\xa0\x80 c\xc3",
	  "a b c" },
	{ "\xf4\x90\x80\x80 x \xe2\x82 y \xf0\x9f\x98", "x y" },
	{ "all of it: I'm sooooo happy!!! 😂😂😂 thx @bob",
	  "all of it : i 'm soo happy !! 😂 😂 thx <user>" },
};

static const example paper_examples[] = {
	{ "Don't you KNOW, it’s great!!!", "dont you know its great" },
	{ "@bob see http://t.co/x and r/aww", "see and" },
	{ "café well-known foo_bar 😂 :D", "caf well known foo bar d" },
	{ "1,000 15th sooooo #ThrowbackThursday", "1 000 15th sooooo throwbackthursday" },
	{ "[NAME] a&amp;b &lt;3", "name a b 3" },
	{ "日本語 ٣ привет 'tis rock'n'roll", "tis rocknroll" },
};

/* Tokens joined by spaces. */
static void
join(const text_tokens *tokens, char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < tokens->count; i++)
	{
		const text_token *token = &tokens->tokens[i];

		if (at + token->normalized_length + 2 > size)
			break;
		if (i > 0)
			out[at++] = ' ';
		memcpy(out + at, tokens->buffer + token->normalized, token->normalized_length);
		at += token->normalized_length;
	}
	out[at] = '\0';
}

static void
check_example(const text_options *options, const char *name, const example *example)
{
	text_tokens tokens;
	char got[1000];
	size_t length = strlen(example->text);
	char *exact = malloc(length + 1); /* so that the sanitizer sees a read behind the end */
	const char *broken;
	bool good;

	text_tokens_init(&tokens, &check_allocator);
	memcpy(exact, example->text, length);
	exact = realloc(exact, length > 0 ? length : 1);
	good = text_tokenize(options, exact, length, &tokens, NULL) == EM_OK;
	join(&tokens, got, sizeof(got));
	broken = text_broken_invariant(options, exact, length, &tokens);
	good = good && strcmp(got, example->tokens) == 0 && broken == NULL;
	if (!CHECK(good, "%s: \"%s\"", name, example->tokens))
		printf("# text:     %s\n# wanted:   %s\n# got:      %s\n# %s\n", example->text,
			   example->tokens, got, broken ? broken : "");
	text_tokens_free(&tokens);
	free(exact);
}

static void
check_examples(void)
{
	text_options options;

	CHECK(!text_options_preset(&options, "none") && !text_options_preset(&options, ""),
		  "an unknown preset is refused");
	CHECK(text_options_preset(&options, "default") && options.max_tokens == 64,
		  "the default preset has 64 tokens");
	for (size_t i = 0; i < sizeof(default_examples) / sizeof(example); i++)
		check_example(&options, "default", &default_examples[i]);
	CHECK(text_options_preset(&options, "paper") && options.max_tokens == 30,
		  "the paper preset has 30 tokens");
	for (size_t i = 0; i < sizeof(paper_examples) / sizeof(example); i++)
		check_example(&options, "paper", &paper_examples[i]);
}

/* One option changed from the default: SET is a statement on `options`. */
#define CHECK_OPTION(SET, text, tokens)                                                            \
	do                                                                                             \
	{                                                                                              \
		text_options options;                                                                      \
		example given = { text, tokens };                                                          \
                                                                                                   \
		text_options_default(&options);                                                            \
		SET;                                                                                       \
		check_example(&options, #SET, &given);                                                     \
	} while (0)

static void
check_options(void)
{
	CHECK_OPTION(options.lowercase = false, "OMG :D CAN'T @Bob", "OMG :D CA N'T <user>");
	CHECK_OPTION(options.urls = TEXT_KEEP, "a http://Foo.com/X?a&amp;b.",
				 "a http://foo.com/x?a&b .");
	CHECK_OPTION(options.urls = TEXT_REMOVE, "a http://foo.com b", "a b");
	CHECK_OPTION(options.mentions = TEXT_KEEP, "@Bob u/Foo r/AWW", "@bob u/foo r/aww");
	CHECK_OPTION(options.mentions = TEXT_REMOVE, "@Bob u/Foo r/AWW x", "x");
	CHECK_OPTION(options.numbers = TEXT_KEEP, "3:30 15th 1,000km", "3:30 15th 1,000 km");
	CHECK_OPTION(options.numbers = TEXT_REMOVE, "3:30 15th 1st", "th 1st");
	CHECK_OPTION(options.split_hashtags = false, "#FooBar_x1 #1", "#foobar_x1 # <number>");
	CHECK_OPTION(options.max_repeat = 0, "sooooo hahahaha 😂😂😂", "sooooo hahahaha 😂 😂 😂");
	CHECK_OPTION(options.max_repeat = 1, "sooooo 😂😂😂 good", "so 😂 god");
	CHECK_OPTION(options.fold_apostrophes = false, "it’s “x”", "it ’s “ x ”");
	CHECK_OPTION(options.split_contractions = false, "it’s don't [NAME]'s",
				 "it's don't [name] ' s");
	CHECK_OPTION(options.collapse_punctuation = false, "a!!! b?! --", "a ! ! ! b ? ! - -");
	CHECK_OPTION(options.emoji = false, "a 😂 :) <3 👍🏽 1️⃣ b", "a b");
	CHECK_OPTION(options.punctuation = false, "a, b! :) (c) 😂 [NAME]", "a b :) c 😂 [name]");
	CHECK_OPTION(options.max_tokens = 3, "a b c d e", "a b c");
	CHECK_OPTION((options.ascii_only = true, options.split_contractions = true), "don't 15 a@b #x",
				 "dont <number> a b x");
}

/* Each token of `text` stands where the same token of `pieces`, separated by '|', says. */
static void
check_offsets_of(const char *text, const char *pieces)
{
	text_options options;
	text_tokens tokens;
	char got[1000];
	size_t at = 0;

	text_options_default(&options);
	text_tokens_init(&tokens, &check_allocator);
	(void) text_tokenize(&options, text, strlen(text), &tokens, NULL);
	for (size_t i = 0; i < tokens.count; i++)
		at += (size_t) snprintf(got + at, sizeof(got) - at, "%s%.*s", i > 0 ? "|" : "",
								(int) tokens.tokens[i].length, text + tokens.tokens[i].start);
	if (!CHECK(strcmp(got, pieces) == 0, "source of each token: %s", pieces))
		printf("# got: %s\n", got);
	text_tokens_free(&tokens);
}

static void
check_offsets(void)
{
	check_offsets_of("I'm SOOOO happy!!! thx @bob", "I|'m|SOOOO|happy|!!!|thx|@bob");
	check_offsets_of("don’t SHOULDN'T'VE", "do|n’t|SHOULD|N'T|'VE");
	check_offsets_of("a &lt;3 R&amp;B it&#39;s", "a|&lt;3|R|&amp;|B|it|&#39;s");
	check_offsets_of("(http://foo.com/x). #FooBar", "(|http://foo.com/x|)|.|Foo|Bar");
	check_offsets_of("👍🏽 😂😂😂 🇩🇪 [NAME]'s",
					 "👍🏽|😂|😂|🇩🇪|[NAME]|'s");
	check_offsets_of("soft\xC2\xADhyphen\xC2\xAD 15th", "soft\xC2\xADhyphen|15|th");
	check_offsets_of("日本 é\xCC\x81", "日|本|é\xCC\x81");
}

static void
check_cutting(void)
{
	static char text[1 << 20];
	text_options options;
	text_tokens tokens;

	text_options_default(&options);
	text_tokens_init(&tokens, &check_allocator);
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, i % 4 == 0 ? "\xC3\xA9" : "\xC3\xA0", 2);
	(void) text_tokenize(&options, text, sizeof(text), &tokens, NULL);
	CHECK(tokens.count == 1 && tokens.tokens[0].normalized_length == 100 &&
			  tokens.tokens[0].length == sizeof(text),
		  "a word of 1 MB becomes one token of 100 bytes");
	memcpy(text, "x", 1);
	text[1] = 'y';
	text[2] = 'z';
	text[3] = 'x';
	text[4] = 'y';
	memmove(text + 5, text + 6, sizeof(text) - 6);
	text[sizeof(text) - 1] = ' ';
	(void) text_tokenize(&options, text, sizeof(text), &tokens, NULL);
	CHECK(tokens.count == 1 && tokens.tokens[0].normalized_length == 99,
		  "the cut does not divide a code point");

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 5 == 4 ? ' ' : (char) ('a' + i % 5);
	(void) text_tokenize(&options, text, sizeof(text), &tokens, NULL);
	CHECK(tokens.count == 64 && tokens.truncated && tokens.work < 5000,
		  "a text of 1 MB is read no further than 64 tokens");
	(void) text_tokenize(&options, "a b", 3, &tokens, NULL);
	CHECK(tokens.count == 2 && !tokens.truncated,
		  "results are reused; nothing is left of the last");
	options.max_tokens = 2;
	(void) text_tokenize(&options, "a b  http://", 4, &tokens, NULL);
	CHECK(tokens.count == 2 && !tokens.truncated, "exactly max_tokens is not truncated");
	(void) text_tokenize(&options, NULL, 0, &tokens, NULL);
	CHECK(tokens.count == 0, "no text at all has no tokens");
	text_tokens_free(&tokens);
}

/* Deterministic random numbers (splitmix64). */
static uint64_t
next_random(uint64_t *state)
{
	uint64_t x = (*state += UINT64_C(0x9E3779B97F4A7C15));

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

static text_options
random_options(uint64_t *state)
{
	uint64_t r = next_random(state);
	text_options options = {
		.lowercase = r & 1,
		.urls = (text_action) ((r >> 1 & 0xff) % 3),
		.mentions = (text_action) ((r >> 9 & 0xff) % 3),
		.numbers = (text_action) ((r >> 17 & 0xff) % 3),
		.split_hashtags = r >> 25 & 1,
		.max_repeat = (int) (r >> 26 & 3),
		.fold_apostrophes = r >> 28 & 1,
		.split_contractions = r >> 29 & 1,
		.collapse_punctuation = r >> 30 & 1,
		.emoji = r >> 31 & 1,
		.punctuation = r >> 32 & 1,
		.ascii_only = (r >> 33 & 3) == 0,
		.max_tokens = (int) (1 + (r >> 35) % 100),
	};

	return options;
}

/* Pieces that mean something to the tokeniser, code points of all kinds, or bytes. */
static size_t
random_text(uint64_t *state, char *out, size_t room, int kind)
{
	static const char *const pieces[] = {
		"http://", "www.",   "a.com", "/",     "u/",    "r/ab",     "@",
		"#",       "[NAME]", "'s",    "n't",   "'",     "’",        ":",
		")",       "(",      "-",     "_",     "&amp;", "&#",       "39;",
		"&",       "<3",     "😂",     "🏽",  "‍",   "️",      "⃣",
		"🇩",       "♀",      "a",     "T",     "ha",    "ooo",      "1",
		".",       ",",      "!",     "?",     " ",     "\xC2\xAD", "\xE2\x80\x8B",
		"é",       "日",     "\xff",  "¯\\_(", "ツ)",   "…",        "\xCC\x81",
		"\n",      "xD",     ";",     "=",     "^",
	};
	size_t length = 0;

	while (length + 16 < room)
	{
		uint64_t r = next_random(state);

		if (kind == 0)
			out[length++] = (char) r;
		else if (kind == 1)
		{
			uint32_t code_point = (uint32_t) (r >> 8) % (r & 1 ? 0x110000 : r & 2 ? 0x3000 : 0x250);

			if (code_point < 0xD800 || code_point >= 0xE000)
				length += text_utf8_encode(code_point, out + length);
		}
		else
		{
			const char *piece = pieces[r % (sizeof(pieces) / sizeof(pieces[0]))];

			memcpy(out + length, piece, strlen(piece));
			length += strlen(piece);
		}
	}
	return length;
}

static void
check_random_texts(void)
{
	static const char *const kinds[] = { "random bytes", "random code points", "random pieces" };
	uint64_t state = 1;
	text_tokens tokens;
	text_tokens few;
	char buffer[300];

	text_tokens_init(&tokens, &check_allocator);
	text_tokens_init(&few, &check_allocator);
	for (int kind = 0; kind < 3; kind++)
	{
		const char *broken = NULL;
		bool prefix = true;
		int i;

		for (i = 0; i < 10000 && broken == NULL && prefix; i++)
		{
			text_options options = random_options(&state);
			size_t room = 17 + next_random(&state) % (sizeof(buffer) - 17);
			size_t length = random_text(&state, buffer, room, kind);

			if (text_tokenize(&options, buffer, length, &tokens, NULL) != EM_OK)
				broken = "failed";
			else
				broken = text_broken_invariant(&options, buffer, length, &tokens);
			options.max_tokens = (options.max_tokens + 1) / 2;
			(void) text_tokenize(&options, buffer, length, &few, NULL);
			prefix = few.count <= tokens.count &&
					 (few.count == tokens.count || few.count == (size_t) options.max_tokens) &&
					 (few.count == 0 || memcmp(few.buffer, tokens.buffer, few.buffer_length) == 0);
		}
		if (!CHECK(broken == NULL, "%s: what must hold for all tokens does", kinds[kind]))
			printf("# text %d: %s\n", i, broken);
		CHECK(prefix, "%s: fewer tokens are the first ones of many", kinds[kind]);
	}
	text_tokens_free(&few);
	text_tokens_free(&tokens);
}

/* Any of these, repeated, tempts a tokeniser to start over at each position. */
static void
check_linear(void)
{
	static const char *const hostile[] = {
		":",
		"(",
		":(",
		")",
		"@",
		"&",
		"&#",
		"&#1",
		"[",
		"[NAME",
		"#",
		"#_",
		"#a",
		"'",
		"a'",
		"'s",
		"n't",
		"a.",
		"a.b.",
		"a-",
		"1.",
		"1,",
		"1",
		"a",
		"h",
		"http://",
		"http://a(",
		"http://a)",
		"http://a.",
		"www.",
		"u/",
		"/u/",
		"r/a/",
		"_",
		"-_",
		"o_",
		"T_",
		"^_",
		";_",
		">",
		">:",
		"<",
		"<3",
		"</3",
		"x",
		"xD",
		"D:",
		"=",
		"=/",
		"\\",
		"¯",
		"¯\\_(",
		"ಠ",
		"ʕ•",
		"( ͡",
		"(╯°",
		"\xE2\x80\x8D",
		"😂\xE2\x80\x8D",
		"😂",
		"🏽",
		"🇩",
		"1\xEF\xB8\x8F",
		"\xEF\xB8\x8F",
		"\xCC\x81",
		"日",
		"日\xCC\x81",
		"\xC2\xAD",
		"a\xC2\xAD",
		"\xff",
		"\xf0\x9f",
		"!?",
		".…",
		"-",
		"#A",
		"#aB",
		"ha",
		"lo",
		" ",
		"\x01",
	};
	static const char *const heads[] = {
		"", "a", ":", "#", "http://a", "@", "1", "-", "o", "&", "["
	};
	enum
	{
		SIZE = 1 << 14
	};
	char *text = malloc(SIZE + 16);
	text_tokens tokens;
	text_options options;
	size_t most = 0;
	const char *worst = "";
	const char *broken = NULL;

	text_tokens_init(&tokens, &check_allocator);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]) && broken == NULL; i++)
	{
		for (size_t j = 0; j < sizeof(heads) / sizeof(heads[0]) * 3 && broken == NULL; j++)
		{
			size_t piece = strlen(hostile[i]);
			size_t length = strlen(heads[j / 3]);

			memcpy(text, heads[j / 3], length);
			for (; length + piece <= SIZE; length += piece)
				memcpy(text + length, hostile[i], piece);
			(void) text_options_preset(&options, j % 3 == 1 ? "paper" : "default");
			options.max_tokens = 100000;
			if (j % 3 == 2)
				options.collapse_punctuation = options.split_hashtags = options.emoji = false;
			(void) text_tokenize(&options, text, length, &tokens, NULL);
			broken = text_broken_invariant(&options, text, length, &tokens);
			if (tokens.work > most)
			{
				most = tokens.work;
				worst = hostile[i];
			}
		}
	}
	CHECK(broken == NULL, "work on hostile texts is linear in their length");
	printf("# at most %.1f code points looked at per byte, with \"%s\" repeated\n",
		   (double) most / SIZE, worst);
	if (broken != NULL)
		printf("# %s\n", broken);
	free(text);

	/* and a long one of those that need most */
	text = malloc(10000000);
	for (size_t i = 0; i < 10000000; i++)
		text[i] = ":('@&[#-_a.\xE2\x80\x8D"[i % 14];
	text_options_default(&options);
	options.max_tokens = 100000;
	CHECK(text_tokenize(&options, text, 10000000, &tokens, NULL) == EM_OK &&
			  text_broken_invariant(&options, text, 10000000, &tokens) == NULL,
		  "10 MB of marks");
	memset(text, '(', 10000000);
	CHECK(text_tokenize(&options, text, 10000000, &tokens, NULL) == EM_OK && tokens.count == 1,
		  "10 MB of one mark are one token");
	free(text);
	text_tokens_free(&tokens);
}

/* ---- texts that are stopped ---------------------------------------------------------- */

static int asked, stop_at;

static bool
stop_soon(void *context)
{
	(void) context;
	return ++asked == stop_at; /* once: who is told so must not ask again */
}

/* Whatever a long text is made of, and wherever it is read: told to stop it ends there. */
static void
check_stopping(void)
{
	static const char *const shapes[] = {
		"happy ",    "a",
		" ",         "\xC2\xAD",
		"e\xCC\x81", "\xF0\x9F\x98\x80",
		"#Happy",    "a.b/c(d",
		"!?",        "\xF0\x9F\x91\xA8\xE2\x80\x8D",
		"1,2",       "can't",
		"&amp;",     "\xE6\x84\x9B",
		":(",
	};
	const size_t size = 400000;
	char *text = malloc(size);
	text_options options;
	text_tokens tokens;
	int least = 1000;

	text_options_default(&options);
	text_tokens_init(&tokens, &check_allocator);
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
	{
		size_t length = strlen(shapes[s]), count;
		em_status status = { 0 };
		em_code code = EM_CANCELLED;
		bool good = true;

		for (size_t i = 0; i < size; i++)
			text[i] = shapes[s][i % length];
		options.max_tokens = TEXT_MAX_TOKENS;
		good &= text_tokenize(&options, text, size, &tokens, &status) == EM_OK;
		count = tokens.count;
		for (stop_at = 1; good && code != EM_OK; stop_at++)
		{
			asked = 0;
			code = text_tokenize_until(&options, text, size, stop_soon, NULL, &tokens, &status);
			good = code == (asked >= stop_at ? EM_CANCELLED : EM_OK);
		}
		least = stop_at - 2 < least ? stop_at - 2 : least;
		if (!CHECK(good && tokens.count == count, "400 kB of \"%s\" stop at each of %d questions",
				   shapes[s], stop_at - 2))
			break;
	}
	CHECK(least >= 1, "each shape is asked");
	free(text);
	text_tokens_free(&tokens);
}

static void
check_unicode(void)
{
	uint32_t code_point;
	char bytes[4];
	size_t wrong = 0;

	CHECK(text_classify('a') == TEXT_LETTER && text_classify(0xE9) == TEXT_LETTER &&
			  text_classify(0x416) == TEXT_LETTER && text_classify(0x10400) == TEXT_LETTER,
		  "letters of Latin, Cyrillic, Deseret");
	CHECK(text_classify('7') == TEXT_DIGIT && text_classify(0x0663) == TEXT_DIGIT,
		  "digits of two scripts");
	CHECK(text_classify(0x301) == TEXT_MARK && text_classify(0x200D) == TEXT_IGNORABLE,
		  "a combining mark, a joiner");
	CHECK(text_classify(' ') == TEXT_SPACE && text_classify(0x3000) == TEXT_SPACE &&
			  text_classify(0) == TEXT_SPACE && text_classify(0xE000) == TEXT_SPACE &&
			  text_classify(0x10FFFF) == TEXT_SPACE && text_classify(UINT32_MAX) == TEXT_SPACE,
		  "white space, controls, private use and no code points separate");
	CHECK(text_classify(0x1F602) == TEXT_EMOJI && text_classify(0x1F3FD) == TEXT_EMOJI &&
			  text_classify(0x1F1E9) == TEXT_REGIONAL,
		  "emoji, skin tone, half a flag");
	CHECK(text_classify(0x65E5) == TEXT_IDEOGRAPH && text_classify(0x30C4) == TEXT_IDEOGRAPH &&
			  text_classify(0xAC00) == TEXT_LETTER,
		  "ideographs and kana are words, Hangul syllables letters");
	CHECK(text_lowercase('A') == 'a' && text_lowercase(0xC9) == 0xE9 &&
			  text_lowercase(0x178) == 0xFF && text_lowercase(0x130) == 'i' &&
			  text_lowercase(0x3A3) == 0x3C3 && text_lowercase(0x10400) == 0x10428 &&
			  text_lowercase(0x1E9E) == 0xDF && text_lowercase(0xD7) == 0xD7 &&
			  text_lowercase(0x101) == 0x101,
		  "lowercase of one code point");
	for (uint32_t c = 0; c < 0x110000; c++)
	{
		uint32_t lower = text_lowercase(c);

		if (lower != c && text_lowercase(lower) != lower)
			wrong++;
		if (c >= 0xD800 && c < 0xE000)
			continue;
		if (text_utf8_decode(bytes, text_utf8_encode(c, bytes), &code_point) == 0 ||
			code_point != c)
			wrong++;
	}
	CHECK(wrong == 0, "lowercase is stable and UTF-8 goes there and back, for every code point");
	CHECK(text_utf8_decode("\xC0\x80", 2, &code_point) == 0 &&
			  text_utf8_decode("\xE0\x9F\xBF", 3, &code_point) == 0 &&
			  text_utf8_decode("\xED\xA0\x80", 3, &code_point) == 0 &&
			  text_utf8_decode("\xF4\x90\x80\x80", 4, &code_point) == 0 &&
			  text_utf8_decode("\xF0\x9F\x98", 3, &code_point) == 0 &&
			  text_utf8_decode("\x80", 1, &code_point) == 0 &&
			  text_utf8_decode("\xFF", 1, &code_point) == 0,
		  "what is not UTF-8 is not read as a code point");
}

static em_code
load(const char *words, text_vocabulary **vocabulary, em_status *status)
{
	return text_vocabulary_load(&check_allocator, words, strlen(words), vocabulary, status);
}

/* Words that all fall into a few slots of the table. */
static void
check_collisions(void)
{
	enum
	{
		COUNT = 20000
	};
	char *words = malloc(COUNT * 9);
	size_t length = 0;
	text_vocabulary *vocabulary;
	em_status status;

	for (uint32_t i = 0, found = 0; found < COUNT; i++)
	{
		char word[9];

		snprintf(word, sizeof(word), "%08x", i);
		if ((hash_word(word, 8) & 0x7fff) >= 256)
			continue;
		memcpy(words + length, word, 8);
		words[length + 8] = '\n';
		length += 9;
		found++;
	}
	CHECK(text_vocabulary_load(&check_allocator, words, length, &vocabulary, &status) == EM_CORRUPT,
		  "words made to collide are refused");
	free(words);
}

static void
check_vocabulary(void)
{
	text_vocabulary *vocabulary;
	em_status status;
	em_slice word;

	CHECK(load("the\nof\nmañana", &vocabulary, &status) == EM_OK, "three words load");
	CHECK(text_vocabulary_size(vocabulary) == 4, "three words and the unknown one");
	CHECK(text_vocabulary_find(vocabulary, "the", 3) == 1 &&
			  text_vocabulary_find(vocabulary, "of", 2) == 2 &&
			  text_vocabulary_find(vocabulary, "mañana", 7) == 3,
		  "ids follow the order given");
	CHECK(text_vocabulary_find(vocabulary, "th", 2) == TEXT_UNKNOWN_ID &&
			  text_vocabulary_find(vocabulary, "them", 4) == TEXT_UNKNOWN_ID &&
			  text_vocabulary_find(vocabulary, "the\nof", 6) == TEXT_UNKNOWN_ID &&
			  text_vocabulary_find(vocabulary, "", 0) == TEXT_UNKNOWN_ID,
		  "other words are unknown");
	word = text_vocabulary_word(vocabulary, 3);
	CHECK(word.length == 7 && memcmp(word.bytes, "mañana", 7) == 0, "the word of an id");
	word = text_vocabulary_word(vocabulary, 0);
	CHECK(word.length == 5 && memcmp(word.bytes, "<unk>", 5) == 0, "the unknown word has a name");
	word = text_vocabulary_word(vocabulary, 4);
	CHECK(word.length == 5, "an id too large is the unknown word");
	word = text_vocabulary_words(vocabulary);
	CHECK(word.length == 14 && memcmp(word.bytes, "the\nof\nmañana", 14) == 0, "all words joined");
	text_vocabulary_free(vocabulary);

	CHECK(load("", &vocabulary, &status) == EM_OK && text_vocabulary_size(vocabulary) == 1 &&
			  text_vocabulary_find(vocabulary, "a", 1) == TEXT_UNKNOWN_ID &&
			  text_vocabulary_words(vocabulary).length == 0,
		  "the empty vocabulary knows no word");
	text_vocabulary_free(vocabulary);
	CHECK(load("a\nb\n", &vocabulary, &status) == EM_OK && text_vocabulary_size(vocabulary) == 3,
		  "a line feed may end the last word");
	text_vocabulary_free(vocabulary);

	CHECK(load("a\nb\na", &vocabulary, &status) == EM_CORRUPT && vocabulary == NULL &&
			  strstr(status.message, "words 1 and 3") != NULL && strstr(status.message, "\"a\""),
		  "a repeated word is refused by name: %s", status.message);
	CHECK(load("a\n\nb", &vocabulary, &status) == EM_CORRUPT &&
			  strstr(status.message, "word 2") != NULL,
		  "an empty word is refused by number: %s", status.message);
	CHECK(load("\n", &vocabulary, &status) == EM_CORRUPT &&
			  load("\na", &vocabulary, &status) == EM_CORRUPT &&
			  load("a\n\n", &vocabulary, &status) == EM_CORRUPT,
		  "an empty word is refused wherever it stands");
	check_collisions();
	text_vocabulary_free(NULL);
}

static void
check_large_vocabulary(void)
{
	enum
	{
		COUNT = 30000
	};
	char *words = malloc(COUNT * 8);
	size_t length = 0;
	uint32_t wrong = 0;
	text_vocabulary *vocabulary;

	for (int i = 0; i < COUNT; i++)
		length += (size_t) sprintf(words + length, "w%d\n", i);
	CHECK(text_vocabulary_load(&check_allocator, words, length, &vocabulary, NULL) == EM_OK &&
			  text_vocabulary_size(vocabulary) == COUNT + 1,
		  "30,000 words load");
	for (uint32_t i = 0; i < COUNT; i++)
	{
		char word[16];
		int size = sprintf(word, "w%u", i);

		wrong += text_vocabulary_find(vocabulary, word, (size_t) size) != i + 1;
		word[0] = 'v';
		wrong += text_vocabulary_find(vocabulary, word, (size_t) size) != TEXT_UNKNOWN_ID;
	}
	CHECK(wrong == 0, "each is found by its id, and no other");
	text_vocabulary_free(vocabulary);
	free(words);
}

static void
check_counter(void)
{
	text_word_counter *counter;
	text_vocabulary *vocabulary;
	em_status status;
	em_slice words;
	uint32_t ids[8];
	uint32_t remap[4];
	static const char *const seen[] = { "b", "c", "a", "c", "bb", "a", "b", "c" };

	CHECK(text_word_counter_create(&check_allocator, &counter, &status) == EM_OK, "a counter");
	CHECK(text_word_counter_finish(counter, 1, 0, NULL, &vocabulary, &status) == EM_OK &&
			  text_vocabulary_size(vocabulary) == 1,
		  "no words make the empty vocabulary");
	text_vocabulary_free(vocabulary);
	for (int i = 0; i < 8; i++)
		(void) text_word_counter_add(counter, seen[i], strlen(seen[i]), &ids[i], &status);
	CHECK(text_word_counter_size(counter) == 4 && ids[0] == 0 && ids[1] == 1 && ids[2] == 2 &&
			  ids[3] == 1 && ids[4] == 3 && ids[7] == 1,
		  "words are numbered as they appear");
	CHECK(text_word_counter_finish(counter, 1, 0, remap, &vocabulary, &status) == EM_OK, "finish");
	words = text_vocabulary_words(vocabulary);
	CHECK(words.length == 8 && memcmp(words.bytes, "c\na\nb\nbb", 8) == 0,
		  "by descending count, ties by bytes");
	CHECK(remap[0] == 3 && remap[1] == 1 && remap[2] == 2 && remap[3] == 4, "ids are mapped");
	text_vocabulary_free(vocabulary);
	CHECK(text_word_counter_finish(counter, 2, 2, remap, &vocabulary, &status) == EM_OK &&
			  text_vocabulary_size(vocabulary) == 3 && remap[0] == TEXT_UNKNOWN_ID &&
			  remap[1] == 1 && remap[2] == 2 && remap[3] == TEXT_UNKNOWN_ID,
		  "min_count and max_words leave out the rest");
	text_vocabulary_free(vocabulary);
	CHECK(text_word_counter_add(counter, "", 0, ids, &status) == EM_INVALID_DATA &&
			  text_word_counter_add(counter, "a\nb", 3, ids, &status) == EM_INVALID_DATA &&
			  text_word_counter_size(counter) == 4,
		  "an empty word and one with a line feed are refused");
	text_word_counter_free(counter);
	text_word_counter_free(NULL);
}

/* All of the room at work once; every allocation may fail. */
static em_code
use_everything(em_status *status)
{
	text_options options;
	text_tokens tokens;
	text_word_counter *counter = NULL;
	text_vocabulary *vocabulary = NULL;
	uint32_t *remap = NULL;
	em_code code;
	char text[64];
	uint32_t id;

	text_options_default(&options);
	text_tokens_init(&tokens, &check_allocator);
	code = text_word_counter_create(&check_allocator, &counter, status);
	for (int i = 0; i < 60 && code == EM_OK; i++)
	{
		/* enough different words for the tables to grow */
		for (int j = 0; j < 20 && code == EM_OK; j++)
		{
			int size = snprintf(text, sizeof(text), "w%dx%d don't", i, j);

			code = text_tokenize(&options, text, (size_t) size, &tokens, status);
			for (size_t k = 0; k < tokens.count && code == EM_OK; k++)
				code = text_word_counter_add(counter, tokens.buffer + tokens.tokens[k].normalized,
											 tokens.tokens[k].normalized_length, &id, status);
		}
	}
	if (code == EM_OK)
	{
		/* not the allocator's: what is tested is the room */
		remap = malloc(text_word_counter_size(counter) * sizeof(*remap));
		code = text_word_counter_finish(counter, 1, 0, remap, &vocabulary, status);
	}
	free(remap);
	text_vocabulary_free(vocabulary);
	text_word_counter_free(counter);
	text_tokens_free(&tokens);
	return code;
}

static void
check_failing_allocations(void)
{
	em_status status;
	bool good = true;
	long n;

	for (n = 1; n < 1000; n++)
	{
		em_code code;

		memset(&status, 0, sizeof(status));
		check_fail_at = n;
		code = use_everything(&status);
		if (check_fail_at > 0)
		{
			/* fewer allocations than n */
			check_fail_at = 0;
			good = good && code == EM_OK;
			break;
		}
		good = good && code == EM_OUT_OF_MEMORY && status.code == EM_OUT_OF_MEMORY &&
			   strcmp(status.message, "out of memory") == 0 && check_live == 0;
	}
	CHECK(good && n > 20 && n < 1000, "each failing allocation is reported and leaks nothing");
	CHECK(check_live == 0, "all memory is given back");
}

static char *
read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	char *bytes;
	long size;

	fseek(file, 0, SEEK_END);
	size = ftell(file);
	rewind(file);
	bytes = malloc((size_t) size + 1);
	*length = fread(bytes, 1, (size_t) size, file);
	bytes[*length] = '\0';
	fclose(file);
	return bytes;
}

static void
check_real_texts(void)
{
	const char *path = check_data("goemotions/train.tsv");
	text_options options;
	text_tokens tokens;
	text_word_counter *counter;
	text_vocabulary *vocabulary;
	size_t length;
	size_t texts = 0;
	size_t words = 0;
	size_t unknown = 0;
	size_t truncated = 0;
	const char *broken = NULL;
	char *bytes;

	if (path == NULL)
	{
		check_skip("real texts", "goemotions/train.tsv is not there");
		return;
	}
	bytes = read_file(path, &length);
	text_options_default(&options);
	text_tokens_init(&tokens, &check_allocator);
	(void) text_word_counter_create(&check_allocator, &counter, NULL);
	for (int pass = 0; pass < 2 && broken == NULL; pass++)
	{
		if (pass == 1)
			(void) text_word_counter_finish(counter, 2, 0, NULL, &vocabulary, NULL);
		for (char *line = bytes; *line != '\0' && broken == NULL; line += strcspn(line, "\n") + 1)
		{
			size_t size = strcspn(line, "\t\n");

			(void) text_tokenize(&options, line, size, &tokens, NULL);
			broken = text_broken_invariant(&options, line, size, &tokens);
			texts += pass == 0;
			truncated += pass == 0 && tokens.truncated;
			for (size_t i = 0; i < tokens.count; i++)
			{
				const char *word = tokens.buffer + tokens.tokens[i].normalized;
				size_t word_length = tokens.tokens[i].normalized_length;
				uint32_t id;

				if (pass == 0)
					(void) text_word_counter_add(counter, word, word_length, &id, NULL);
				else
					unknown +=
						text_vocabulary_find(vocabulary, word, word_length) == TEXT_UNKNOWN_ID;
				words += pass;
			}
		}
	}
	CHECK(broken == NULL, "real texts: what must hold for all tokens does");
	if (broken != NULL)
		printf("# %s\n", broken);
	else
	{
		CHECK(texts == 43410 && words > 600000, "all of GoEmotions' training texts are read");
		CHECK((double) unknown / (double) words < 0.025,
			  "at most 2.5%% of their words are seen only once");
		printf("# %zu texts (%zu cut at %d tokens), %zu tokens, %u words seen, %u at least twice; "
			   "%.2f%% of the tokens unknown to a vocabulary of those\n",
			   texts, truncated, options.max_tokens, words, text_word_counter_size(counter),
			   text_vocabulary_size(vocabulary) - 1, 100.0 * (double) unknown / (double) words);
		text_vocabulary_free(vocabulary);
	}
	text_word_counter_free(counter);
	text_tokens_free(&tokens);
	free(bytes);
}

int
main(void)
{
	check_examples();
	check_options();
	check_offsets();
	check_cutting();
	check_random_texts();
	check_linear();
	check_stopping();
	check_unicode();
	check_vocabulary();
	check_large_vocabulary();
	check_counter();
	check_real_texts();
	check_failing_allocations();
	return check_done();
}
