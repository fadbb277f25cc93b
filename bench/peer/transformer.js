// The RoBERTa of transformer.py in onnxruntime, scored on demand as rounds.py says.
//
//   node bench/peer/transformer.js MODULES DIR KIND THREADS
//
// MODULES: a node_modules that has onnxruntime-node; KIND.onnx stands in DIR.
'use strict';

const { readFileSync } = require('fs');
const { createInterface } = require('readline');
const { resolve } = require('path');

const [modules, folder, kind, threads] = process.argv.slice(2);
const ort = require(resolve(modules, 'onnxruntime-node'));
const PAD = 1n;

// Batches of texts of like length, so that little is padding.
function cut(texts, size) {
	const order = texts.map((_, i) => i).sort((a, b) => texts[a].length - texts[b].length);
	const batches = [];
	for (let first = 0; first < order.length; first += size) {
		const chosen = order.slice(first, first + size);
		const longest = Math.max(...chosen.map(i => texts[i].length));
		const ids = new BigInt64Array(chosen.length * longest).fill(PAD);
		const mask = new BigInt64Array(ids.length);
		chosen.forEach((i, row) => texts[i].forEach((id, t) => {
			ids[row * longest + t] = BigInt(id);
			mask[row * longest + t] = 1n;
		}));
		const tensor = data => new ort.Tensor('int64', data, [chosen.length, longest]);
		batches.push({ chosen, feeds: { input_ids: tensor(ids), attention_mask: tensor(mask) } });
	}
	return batches;
}

async function main() {
	const { ids, logits, sizes } = JSON.parse(readFileSync(resolve(folder, 'texts.json')));
	const session = await ort.InferenceSession.create(resolve(folder, `${kind}.onnx`), {
		executionProviders: ['cpu'], graphOptimizationLevel: 'all', executionMode: 'sequential',
		intraOpNumThreads: Number(threads), interOpNumThreads: 1,
		...(process.env.OPTIMIZED ? { optimizedModelFilePath: process.env.OPTIMIZED } : {}),
	});
	console.log('ready 0');
	for await (const line of createInterface({ input: process.stdin })) {
		const [size, count] = line.split(' ').map(Number);
		const batches = cut(ids.slice(0, count), size);
		const outputs = [];
		const begin = process.hrtime.bigint();
		for (const { feeds } of batches)
			outputs.push((await session.run(feeds)).logits);
		const took = Number(process.hrtime.bigint() - begin) / 1e9;
		let largest = 0;
		outputs.forEach((output, b) => batches[b].chosen.forEach((i, row) => {
			for (let l = 0; l < sizes.labels; l++)
				largest = Math.max(largest, Math.abs(output.data[row * sizes.labels + l] - logits[i][l]));
		}));
		console.log(took, largest);
	}
}
main();
