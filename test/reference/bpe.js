#!/usr/bin/env node
/*
 * bpe.js
 *	  Byte-level BPE beside Hugging Face's own tokenizers (npm: tokenizers, which is the Rust
 *	  library). Started by bpe.sh.
 *
 *	  node bpe.js fixtures DATA > bpe.txt          what test/unit/test_bpe.c asks for
 *	  node bpe.js compare  ENCODER DATA [COUNT]    runs ENCODER (bpe_encode.c) on everything
 *	  node bpe.js learn    ENCODER LEARNER DATA    runs LEARNER (bpe_learn.c), too: what both learn
 *	  node bpe.js speed    ENCODER DATA            MB and texts per second of processor time, one thread each
 *
 * Ids and places must be the same but for one thing: a prefix space, which stands nowhere in the
 * text, has the place of the character behind it there, and, trimmed, takes that off the word. Here
 * it has no place.
 */
'use strict';
process.env.TOKENIZERS_PARALLELISM = 'false';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { spawnSync } = require('child_process');
const from = { paths: [process.cwd()] };
const { Tokenizer } = require(require.resolve('tokenizers', from));

/* mulberry32: a seeded generator that is the same everywhere */
function generator(seed) {
	return () => {
		seed = (seed + 0x6D2B79F5) | 0;
		let t = Math.imul(seed ^ seed >>> 15, 1 | seed);
		t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
		return ((t ^ t >>> 14) >>> 0) / 4294967296;
	};
}

/* ------------------------------------------------------------------------------ tokenisers */

/* Each byte's character. */
function alphabet() {
	const spelt = [];
	let next = 256;
	for (let byte = 0; byte < 256; byte++) {
		const itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
		spelt.push(String.fromCodePoint(itself ? byte : next++));
	}
	return spelt;
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };

/* A tokeniser of a few merges, made up; changes: what is other than in RoBERTa's. */
function small(changes = {}) {
	const merges = ['h e', 'l l', 'he ll', 'hell o', 'Ġ w', 'Ġw o', 'r l', 'rl d', 'Ġwo rld', "' s",
		'a a', 'aa aa', 'aaaa aaaa', 'Ġ t', 'Ġt he', 'i n', 'in g', 'ð Ł', 'ðŁ ĺ', 'Ġ Ġ', 'ĠĠ ĠĠ', 'Ġ ðŁĺ', 'Ã ©',
		'1 2', '12 3', '! !', 'e r', 'he r', 'â Ģ', 'Ċ Ċ', 'o w', 'ow n'];
	const vocab = {};
	let id = 0;
	for (const token of ['<s>', '<pad>', '</s>', '<unk>', ...alphabet(), ...merges.map((m) => m.replace(' ', ''))])
		vocab[token] = id++;
	vocab['hello!'] = id++; // no merge makes it
	vocab['<mask>'] = id + 20; // with a gap
	const added = (content, lstrip = false) => ({ id: vocab[content], content, single_word: false, lstrip,
		rstrip: false, normalized: true, special: true });
	const made = {
		version: '1.0',
		truncation: null,
		padding: null,
		added_tokens: [added('<s>'), added('<pad>'), added('</s>'), added('<unk>'), added('<mask>', true)],
		normalizer: null,
		pre_tokenizer: byteLevel,
		post_processor: { type: 'RobertaProcessing', sep: ['</s>', 2], cls: ['<s>', 0], trim_offsets: true,
			add_prefix_space: false },
		decoder: null,
		model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null,
			end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges },
	};
	const { model, more, ...others } = changes;
	Object.assign(made, others);
	Object.assign(made.model, model);
	if (more)
		made.added_tokens = made.added_tokens.concat(more);
	return made;
}

/* Every option in which a file may differ. */
function variants() {
	/* the ids that the library gives to what the model lacks, whatever the file says */
	const { vocab } = small().model;
	const count = Object.keys(vocab).length;
	const token = (id, content, options) => ({ id: vocab[content] ?? count + id, content, single_word: false, lstrip: false, rstrip: false,
		normalized: false, special: false, ...options });
	const roberta = small().post_processor;
	const withoutBytes = (unknown, fuse) => {
		const made = small({ model: { unk_token: unknown, fuse_unk: fuse } });
		for (const gone of ['z', 'Z', 'Ł', 'q'])
			delete made.model.vocab[gone];
		made.model.merges = made.model.merges.filter((m) => !/Ł/.test(m));
		return made;
	};
	const template = { type: 'TemplateProcessing',
		single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { SpecialToken: { id: '<pad>', type_id: 0 } },
			{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
		pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
		special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] }, '</s>': { id: '</s>', ids: [2], tokens: ['</s>'] },
			'<pad>': { id: '<pad>', ids: [1, 1], tokens: ['<pad>', '<pad>'] } } };
	return {
		'as RoBERTa': small(),
		'add_prefix_space': small({ pre_tokenizer: { ...byteLevel, add_prefix_space: true },
			post_processor: { ...roberta, add_prefix_space: true } }),
		'first space kept in its place': small({ post_processor: { ...roberta, add_prefix_space: true } }),
		'offsets not trimmed': small({ post_processor: { ...roberta, trim_offsets: false } }),
		'prefix space, not trimmed': small({ pre_tokenizer: { ...byteLevel, add_prefix_space: true },
			post_processor: { ...roberta, trim_offsets: false } }),
		'no regex': small({ pre_tokenizer: { ...byteLevel, use_regex: false } }),
		'no regex, prefix space': small({ pre_tokenizer: { ...byteLevel, use_regex: false, add_prefix_space: true },
			post_processor: null }),
		'ignore_merges': small({ model: { ignore_merges: true } }),
		'pairs of merges': small({ model: { merges: small().model.merges.map((m) => m.split(' ')) } }),
		'a template': small({ post_processor: template }),
		'a sequence': small({ pre_tokenizer: { type: 'Sequence', pretokenizers: [byteLevel] },
			post_processor: { type: 'Sequence', processors: [byteLevel, template] } }),
		'BertProcessing': small({ post_processor: { type: 'BertProcessing', sep: ['</s>', 2], cls: ['<s>', 0] } }),
		'ByteLevel processor': small({ post_processor: { ...byteLevel, add_prefix_space: true } }),
		'unknown token': withoutBytes('<unk>', false),
		'unknown tokens fused': withoutBytes('<unk>', true),
		'added tokens': small({ more: [token(0, 'wor', { single_word: true }), token(0, 'hello', { rstrip: true }),
			token(0, 'he'), token(1, 'the', { lstrip: true, rstrip: true, normalized: true }),
			token(0, 'é', { single_word: true, lstrip: true }), token(0, 'hell', { special: true }),
			token(2, 'o w', { normalized: true }), token(3, '😂'), token(4, '!!!', { lstrip: true })] }),
		'added tokens, prefix space': small({ pre_tokenizer: { ...byteLevel, add_prefix_space: true },
			post_processor: { ...roberta, add_prefix_space: true },
			more: [token(0, 'wor', { single_word: true, lstrip: true }), token(1, ' a', { rstrip: true }), token(0, 'hello')] }),
	};
}

/* ----------------------------------------------------------------------------------- texts */

const spaces = [' ', '  ', '\t', '\n', '\n\n', '\r\n', '\u00a0', '\u0085', '\u2003', '\u3000', '\u200b', '\u001c', '   '];
const bits = ["'s", "'S", "'t", "'re", "'ve", "'m", "'ll", "'d", "'", "''", 'hello', 'hell', ' world', 'the', ' the', 'own',
	'aaaaaaaaaaaaa', 'word', 'wor', 'é', 'e\u0301', '1', '12345', '²½Ⅷ', '٣', 'नमस्ते', '日本語', '안녕', 'Привет', '😂', '👨‍👩‍👧',
	'❤️', '!', '!!!', '...', '_', '-', '<s>', '</s>', '<mask>', '<pad>', '<unk>', '<', 's>', 'ſ', 'ß', 'zzq', 'ing', '\u0000', '\ufffd',
	'o w', '\u{10ffff}', '\u2028', 'x'];

function pick(random, list) {
	return list[Math.floor(random() * list.length)];
}

/* Words, marks and spaces put side by side: what rules are about. */
function composed(count, seed) {
	const random = generator(seed);
	return Array.from({ length: count }, () => {
		let text = '';
		for (let n = Math.floor(random() * 12); n >= 0; n--)
			text += random() < 0.4 ? pick(random, spaces) : pick(random, bits);
		return text;
	});
}

/* Any characters: of all Unicode, of its lower planes, of ASCII, and of what composed() has. */
function anything(count, seed) {
	const random = generator(seed);
	const limits = [0x110000, 0x30000, 0x3000, 0x600, 0x80];
	return Array.from({ length: count }, () => {
		let text = '';
		for (let n = Math.floor(random() * 40); n > 0; n--) {
			const limit = limits[Math.floor(random() * 7)];
			if (limit === undefined) {
				text += random() < 0.5 ? pick(random, spaces) : pick(random, bits);
				continue;
			}
			const code = Math.floor(random() * limit);
			text += String.fromCodePoint(code >= 0xD800 && code < 0xE000 ? 0x20 : code);
		}
		return text;
	});
}

/* Every code point beside a letter, a number, a mark and a space. */
function everyCodePoint() {
	const texts = [];
	for (let base = 0; base < 0x110000; base += 32) {
		let text = '';
		for (let code = base; code < base + 32; code++) {
			const c = code >= 0xD800 && code < 0xE000 ? '' : String.fromCodePoint(code);
			text += `a${c}1${c}!${c} ${c}`;
		}
		texts.push(text);
	}
	return texts;
}

function goemotions(data, name) {
	return fs.readFileSync(path.join(data, 'goemotions', name), 'utf8').split('\n').filter(Boolean)
		.map((line) => line.split('\t')[0]);
}

function tweets(data) {
	return fs.readFileSync(path.join(data, 'sentiment140', 'tweets-100k.csv'), 'utf8').split('\n')
		.filter(Boolean).map((line) => line.slice(line.indexOf(',') + 1).replace(/^"|"\r?$/g, '').replace(/""/g, '"'));
}

/* What would take long if merging were not near linear. */
function hostile() {
	const random = generator(7);
	const letters = () => String.fromCharCode(97 + Math.floor(random() * 26));
	const long = (make) => Array.from({ length: 1 << 20 }, make).join('');
	return [long(() => 'a'), long(letters), long(() => ' '), long(() => '!'), long(() => 'ab'.charAt(random() * 2)),
		long(() => String.fromCodePoint(0x20 + Math.floor(random() * 95))), 'é'.repeat(1 << 19), '😂'.repeat(1 << 18)];
}

/* ------------------------------------------------------------------------------- encoding */

/* Take the places of prefix spaces away; trimmed: they have been trimmed off their words. */
function withoutPrefix(text, encoding, offsets, trimmed) {
	const characters = [...text];
	const special = encoding.getSpecialTokensMask();
	encoding.getTokens().forEach((token, i) => {
		const start = trimmed && offsets[i][0] > 0 ? offsets[i][0] - 1 : offsets[i][0];
		if (special[i] || token[0] !== 'Ġ' || characters[start] === ' ')
			return;
		offsets[i][0] = start;
		if (token === 'Ġ')
			offsets[i][1] = offsets[i][0];
	});
}

/* prefix: whether the tokeniser adds a prefix space, and trims. */
async function theirs(tokenizer, texts, prefix = {}) {
	const all = [];
	for (let i = 0; i < texts.length; i += 1000) {
		const encodings = await tokenizer.encodeBatch(texts.slice(i, i + 1000));
		encodings.forEach((encoding, k) => {
			const offsets = encoding.getOffsets();
			if (prefix.added)
				withoutPrefix(texts[i + k], encoding, offsets, prefix.trimmed);
			all.push({ ids: encoding.getIds(), offsets });
		});
	}
	return all;
}

function prefixOf(made) {
	return { added: made.pre_tokenizer.add_prefix_space, trimmed: made.post_processor?.trim_offsets };
}

function write(texts, file) {
	const parts = [];
	for (const text of texts) {
		const bytes = Buffer.from(text, 'utf8');
		const length = Buffer.alloc(4);
		length.writeUInt32LE(bytes.length);
		parts.push(length, bytes);
	}
	fs.writeFileSync(file, Buffer.concat(parts));
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'emotion-bpe-'));
process.on('exit', () => fs.rmSync(scratch, { recursive: true, force: true }));

/* Encode by bpe_encode; returns tokens and what it said of time and work. */
function ours(encoder, files, texts, flags) {
	const input = path.join(scratch, 'texts');
	const output = path.join(scratch, 'tokens');
	write(texts, input);
	const stdio = [fs.openSync(input, 'r'), fs.openSync(output, 'w'), 'pipe'];
	const run = spawnSync(encoder, [...flags, ...files], { stdio });
	stdio.slice(0, 2).forEach(fs.closeSync);
	if (run.status !== 0)
		throw new Error(`${encoder}: ${run.stderr}`);
	const bytes = fs.readFileSync(output);
	const numbers = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
	const all = [];
	for (let at = 0; at < numbers.length;) {
		const count = numbers[at++];
		const [ids, starts, ends] = [0, 1, 2].map((i) => numbers.subarray(at + i * count, at + (i + 1) * count));
		all.push({ ids, starts, ends });
		at += 3 * count;
	}
	const [seconds, work] = run.stderr.toString().trim().split(' ').map(Number);
	return { all, seconds, work };
}

/* Learn by bpe_learn; returns tokenizer.json and what it said of time and memory. */
function learn(learner, texts, size, minCount) {
	const input = path.join(scratch, 'texts');
	write(texts, input);
	const stdin = fs.openSync(input, 'r');
	const run = spawnSync(learner, [size, minCount].map(String), { stdio: [stdin, 'pipe', 'pipe'], maxBuffer: 1 << 30 });
	fs.closeSync(stdin);
	if (run.status !== 0)
		throw new Error(`${learner}: ${run.stderr}`);
	const [adding, learning, bytes, peak] = run.stderr.toString().trim().split(' ').map(Number);
	return { json: JSON.parse(run.stdout), seconds: adding + learning, bytes, peak };
}

function same(a, b) {
	if (a.ids.length !== b.ids.length)
		return false;
	for (let i = 0; i < a.ids.length; i++)
		if (a.ids[i] !== b.ids[i] || a.starts[i] !== b.offsets[i][0] || a.ends[i] !== b.offsets[i][1])
			return false;
	return true;
}

let failures = 0;

async function compare(what, encoder, files, tokenizer, texts, flags = ['-s'], prefix = {}) {
	const mine = ours(encoder, files, texts, flags).all;
	const other = await theirs(tokenizer, texts, prefix);
	let different = 0, tokens = 0;
	for (let i = 0; i < texts.length; i++) {
		tokens += other[i].ids.length;
		if (mine[i] !== undefined && same(mine[i], other[i]))
			continue;
		if (different++ < 2)
			console.log(`  ${JSON.stringify(texts[i]).slice(0, 300)}\n  ours:   ${mine[i] && [...mine[i].ids].map((id, k) =>
				`${id}@${mine[i].starts[k]}-${mine[i].ends[k]}`).join(' ').slice(0, 600)}\n  theirs: ${other[i].ids.map((id, k) =>
				`${id}@${other[i].offsets[k].join('-')}`).join(' ').slice(0, 600)}`);
	}
	failures += different;
	console.log(`${different === 0 ? 'same' : 'DIFFERENT'}: ${what}: ${texts.length} texts, ${tokens} tokens, ${different} differ`);
}

async function compareAll(encoder, data, count) {
	const roberta = path.join(data, 'roberta-bpe');
	const file = path.join(roberta, 'tokenizer.json');
	const json = fs.readFileSync(file, 'utf8');
	const tokenizer = Tokenizer.fromString(json);
	const plain = Tokenizer.fromString(JSON.stringify({ ...JSON.parse(json), added_tokens: [] }));
	const pair = ['vocab.json', 'merges.txt'].map((name) => path.join(roberta, name));
	const sets = {
		'GoEmotions train': goemotions(data, 'train.tsv'),
		'GoEmotions dev': goemotions(data, 'dev.tsv'),
		'tweets': tweets(data),
		'random Unicode': anything(count, 1),
		'composed texts': composed(count, 2),
		'every code point': everyCodePoint(),
		'hostile texts of 1 MiB': hostile(),
	};
	for (const [name, texts] of Object.entries(sets))
		await compare(name, encoder, [file], tokenizer, texts);
	await compare('composed texts, vocab.json and merges.txt', encoder, pair, tokenizer, sets['composed texts']);
	/* without added tokens nothing is special to them, as by default to us */
	await compare('composed texts, specials are text', encoder, [file], plain, sets['composed texts'], []);
	const written = spawnSync(encoder, ['-w', ...pair], { maxBuffer: 1 << 26 }).stdout.toString();
	await compare('composed texts, to a file written by us', encoder, [file], Tokenizer.fromString(written),
		sets['composed texts']);
	tokenizer.setTruncation(16);
	await compare('composed texts, at most 16 tokens', encoder, [file], tokenizer, sets['composed texts'], ['-s', '-m', '16']);
	for (const [name, made] of Object.entries(variants())) {
		const its = path.join(scratch, 'tokenizer.json');
		fs.writeFileSync(its, JSON.stringify(made));
		await compare(`made up: ${name}`, encoder, [its], Tokenizer.fromString(JSON.stringify(made)),
			composed(count / 5, 3).concat(anything(count / 20, 4)), ['-s'], prefixOf(made));
		const written = Tokenizer.fromString(spawnSync(encoder, ['-w', its], { maxBuffer: 1 << 26 }).stdout.toString());
		await compare(`made up and written by us: ${name}`, encoder, [its], written,
			composed(count / 20, 5).concat(anything(count / 20, 6)), ['-s'], prefixOf(made));
	}
	try {
		/* the same in JavaScript, without offsets; letters are those of node's Unicode */
		const { Tokenizer: Js } = require(require.resolve('@huggingface/tokenizers', from));
		const js = new Js(JSON.parse(json), JSON.parse(fs.readFileSync(path.join(roberta, 'tokenizer_config.json'))));
		for (const name of ['GoEmotions dev', 'tweets', 'random Unicode']) {
			const mine = ours(encoder, [file], sets[name], ['-s']).all;
			const different = sets[name].filter((text, i) => js.encode(text).ids.join() !== mine[i].ids.join()).length;
			console.log(`@huggingface/tokenizers (JavaScript, Unicode ${process.versions.unicode}): ${name}: ${different} of ${sets[name].length} differ`);
		}
	} catch (error) {
		console.log(`@huggingface/tokenizers left out: ${error.message}`);
	}
}

/*
 * Merges learned from the same lines, each with its line feed, as the library reads files. From node it
 * learns with its defaults alone: up to 30000 tokens, the characters that occur as alphabet, every pair.
 * Then a tokeniser of ours is read by both libraries, and must give the same ids.
 */
async function learnAll(encoder, learner, data) {
	const random = generator(21);
	const letters = (alphabet) => Array.from({ length: 3000 }, () =>
		Array.from({ length: 1 + random() * 30 }, () => pick(random, [...alphabet])).join(''));
	const lines = (texts) => texts.map((text) => text.replace(/[\r\n]/g, ' '));
	const sets = { 'GoEmotions train': goemotions(data, 'train.tsv'), 'tweets': lines(tweets(data)),
		'composed texts': lines(composed(20000, 22)), 'random Unicode': lines(anything(3000, 23)),
		'of two letters': letters('ab'), 'of a few characters': letters('ab1 é!') };
	for (const [name, texts] of Object.entries(sets)) {
		const its = path.join(scratch, 'texts.txt');
		fs.writeFileSync(its, texts.map((text) => text + '\n').join(''));
		const { model, ...empty } = small();
		const tokenizer = Tokenizer.fromString(JSON.stringify({ ...empty, added_tokens: [], post_processor: null,
			model: { ...model, vocab: {}, merges: [] } }));
		const began = process.cpuUsage();
		tokenizer.train([its]);
		const spent = process.cpuUsage(began);
		tokenizer.save(path.join(scratch, 'theirs.json'));
		const learned = JSON.parse(fs.readFileSync(path.join(scratch, 'theirs.json'))).model;
		const mine = learn(learner, texts.map((text) => text + '\n'), 4000000, 1);
		const [theirMerges, ourMerges] = [learned, mine.json.model].map((made) =>
			made.merges.map((merge) => [].concat(merge).join(' ')));
		const same = theirMerges.every((merge, i) => merge === ourMerges[i]);
		failures += !same;
		console.log(`${same ? 'same' : 'DIFFERENT'}: ${name}: ${learned.merges.length} merges; ` +
			`ours ${mine.seconds.toFixed(2)} s (for ${mine.json.model.merges.length}), ` +
			`tokenizers ${((spent.user + spent.system) / 1e6).toFixed(2)} s; ` +
			`${(mine.peak / mine.bytes).toFixed(0)} bytes for each of ${mine.bytes}`);
	}
	const { json, seconds } = learn(learner, sets['GoEmotions train'], 8000, 2);
	const file = path.join(scratch, 'learned.json');
	fs.writeFileSync(file, JSON.stringify(json));
	console.log(`GoEmotions train, 8000 tokens: ${seconds.toFixed(2)} s`);
	for (const name of ['GoEmotions train', 'tweets', 'random Unicode'])
		await compare(`${name}, by what was learned`, encoder, [file], Tokenizer.fromString(JSON.stringify(json)), sets[name]);
	const { Tokenizer: Js } = require(require.resolve('@huggingface/tokenizers', from));
	const js = new Js(json, {});
	for (const name of ['GoEmotions train', 'tweets']) {
		const mine = ours(encoder, [file], sets[name], ['-s']).all;
		const different = sets[name].filter((text, i) => js.encode(text).ids.join() !== mine[i].ids.join()).length;
		console.log(`@huggingface/tokenizers: ${name}: ${different} of ${sets[name].length} differ`);
		failures += different;
	}
}

async function speed(encoder, data) {
	const file = path.join(data, 'roberta-bpe', 'tokenizer.json');
	const tokenizer = Tokenizer.fromFile(file);
	const sets = { 'GoEmotions train': goemotions(data, 'train.tsv'), 'tweets': tweets(data),
		'random Unicode': anything(100000, 1), 'one word of 1 MiB': hostile().slice(1, 2) };
	for (const [name, texts] of Object.entries(sets)) {
		const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
		let mine = Infinity, other = Infinity;
		for (let round = 0; round < 5; round++) {
			mine = Math.min(mine, ours(encoder, [file], texts, ['-s']).seconds);
			const begun = process.cpuUsage();
			for (let i = 0; i < texts.length; i += 1000)
				await tokenizer.encodeBatch(texts.slice(i, i + 1000));
			const spent = process.cpuUsage(begun);
			other = Math.min(other, (spent.user + spent.system) / 1e6);
		}
		const rate = (seconds) => `${(bytes / seconds / 1e6).toFixed(1)} MB/s, ${Math.round(texts.length / seconds)} texts/s`;
		console.log(`${name}: ours ${rate(mine)}; tokenizers ${rate(other)}`);
	}
}

/* -------------------------------------------------------------------------------- fixtures */

/* FNV-1a over 32-bit words: of each text the number of its tokens, then ids, starts and ends. */
function fingerprint(encodings) {
	let hash = 2166136261;
	const add = (word) => { hash = Math.imul(hash ^ word, 16777619); };
	for (const { ids, offsets } of encodings) {
		add(ids.length);
		ids.forEach(add);
		offsets.forEach(([start]) => add(start));
		offsets.forEach(([, end]) => add(end));
	}
	return hash >>> 0;
}

/*
 * "= NAME TAB tokenizer.json" and then its texts, a line each: bytes in hexadecimal, TAB, start, end
 * and id of each token. At last, of RoBERTa's own file: "~ NAME TAB texts tokens fingerprint".
 */
async function fixtures(data) {
	const texts = composed(14, 11).concat(anything(4, 12), ['']);
	const out = [];
	for (const [name, made] of Object.entries(variants())) {
		const json = JSON.stringify(made);
		out.push(`= ${name}\t${json}`);
		const encodings = await theirs(Tokenizer.fromString(json), texts, prefixOf(made));
		encodings.forEach(({ ids, offsets }, i) => out.push(Buffer.from(texts[i]).toString('hex') + '\t' +
			ids.map((id, k) => [...offsets[k], id].join(' ')).join(', ')));
	}
	const roberta = Tokenizer.fromFile(path.join(data, 'roberta-bpe', 'tokenizer.json'));
	const dev = await theirs(roberta, goemotions(data, 'dev.tsv'));
	out.push(`~ goemotions/dev.tsv\t${dev.length} ${dev.reduce((sum, { ids }) => sum + ids.length, 0)} ${fingerprint(dev)}`);
	process.stdout.write(out.join('\n') + '\n');
}

async function main() {
	const [what, ...args] = process.argv.slice(2);
	if (what === 'fixtures')
		await fixtures(args[0]);
	else if (what === 'compare')
		await compareAll(args[0], args[1], Number(args[2] || 100000));
	else if (what === 'learn')
		await learnAll(args[0], args[1], args[2]);
	else if (what === 'speed')
		await speed(args[0], args[1]);
	else
		process.exitCode = 2;
	if (failures > 0)
		process.exitCode = 1;
}

main();
