// Makes a model of the page of a run: node web/pack.mjs RUN NAME. It writes web/site/models/NAME.safetensors, parameters and learned
// rates without the optimizer's state, and NAME.toml, the run's recipe; of fields also NAME.json, with the rate that serves a usual start best.

import { readdir, readFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [run, name] = process.argv.slice(2);
if (!run || !name) {
  console.error('usage: node web/pack.mjs RUN NAME');
  process.exit(2);
}

async function tensors(path) {
  const bytes = await readFile(path);
  const size = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + size).toString());
  delete header.__metadata__;
  return Object.entries(header).map(([name, { dtype, shape, data_offsets: [from, to] }]) =>
    ({ name, dtype, shape, bytes: bytes.subarray(8 + size + from, 8 + size + to) }));
}

// The best of the trials, where there were some.
let place = join(run, 'checkpoints', 'best');
let files = await readdir(place).catch(() => []);
if (!files.some(file => file.endsWith('.safetensors'))) {
  place = join(run, 'checkpoints');
  files = await readdir(place);
}
const step = Math.max(...files.filter(file => file.endsWith('.safetensors')).map(file => parseInt(file, 10)));
const model = await tensors(join(place, `${step}.safetensors`));
const state = await tensors(join(place, 'state', `${step}.safetensors`));
const rates = state.find(tensor => tensor.name === 'inner_lr');
const all = rates.bytes.length ? [...model, rates] : model;

const header = {};
let at = 0;
for (const { name, dtype, shape, bytes } of all) {
  header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
  at += bytes.length;
}
let text = JSON.stringify(header);
text += ' '.repeat(-text.length & 7);
const size = Buffer.alloc(8);
size.writeBigUInt64LE(BigInt(text.length));
const to = join(dirname(fileURLToPath(import.meta.url)), 'site', 'models');
await mkdir(to, { recursive: true });
await writeFile(join(to, `${name}.safetensors`), Buffer.concat([size, Buffer.from(text), ...all.map(tensor => tensor.bytes)]));
// Where a set lay on the machine that trained is nobody's business.
const recipe = (await readFile(join(run, 'recipe.toml'), 'utf8')).split('\n').filter(line => !line.startsWith('data_sha256'));
await writeFile(join(to, `${name}.toml`), recipe.join('\n'));
const evaluation = JSON.parse(await readFile(join(run, 'evaluation.json'), 'utf8').catch(() => '{}'));
const fields = evaluation.field;
if (fields) {
  const rate = fields.standard_lr.at(-1);
  await writeFile(join(to, `${name}.json`), `${JSON.stringify({ standard_rate: rate })}\n`);
}
console.log(`step ${step}: ${at} bytes of parameters`);
