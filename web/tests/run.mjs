// Tests of the page in a browser. The page must be built.
//
//     node web/tests/run.mjs [--quick] [--all] [--only WORDS] [--shots FOLDER]
//
// `--quick` leaves out what takes long, `--all` takes every golden case, `--only` the tests whose names hold the words, `--shots` keeps pictures. `CHROMIUM`
// names the browser, or `FIREFOX` that one in its place; `FASTWEIGHTS` the program, which then goes on from the checkpoint that the page downloads.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { serve } from '../serve.mjs';
import { Chromium } from './chromium.mjs';
import { Firefox } from './firefox.mjs';

const web = join(dirname(fileURLToPath(import.meta.url)), '..');
const golden = join(web, '..', 'tests', 'golden');
const option = name => process.argv.includes(name);
const after = name => (option(name) ? process.argv[process.argv.indexOf(name) + 1] : null);
const [shots, only] = [after('--shots'), after('--only')];
const firefox = process.env.FIREFOX;
const TOLERANCE = 2e-5;
const FEW = ['sine_k1', 'conv_strided_k3', 'siren_k2_learned_lr'];
// What a quick run has on the GPU, for a processor that plays it takes long; what it leaves out; the rest it has on the processor.
const ON_GPU = ['takes its first step soon after it has loaded', "its kernels pass the browser's compiler",
  'its meta-gradients are those of the golden cases, on the GPU', 'has no complaints in the console'];
const LONG = ['trains', 'keeps what it submits short', 'goes on where the GPU is lost'];

if (!existsSync(join(web, 'site', 'pkg', 'fastweights_web_bg.wasm'))) {
  console.error('web/tests: the page is not built: sh web/build.sh');
  process.exit(1);
}

async function files(folder) {
  const all = [];
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    all.push(...((await stat(path)).isDirectory() ? await files(path) : [path]));
  }
  return all;
}

// Loads the page and waits until it is whole.
async function opened(browser, address, more = '') {
  const page = await browser.page(address + more);
  await page.until('the page starts', "document.documentElement?.dataset.ready", 120);
  assert.equal(await page.value('document.documentElement.dataset.ready'), 'yes', page.complaints.join('\n'));
  return page;
}

const middle = text => `(() => { const all = [...page.sinusoid.state.losses]; return (${text})(all); })()`;
const mean = (from, to) => middle(`all => { const some = all.slice(${from}, ${to}); return some.reduce((a, b) => a + b, 0) / some.length; }`);

async function cases() {
  if (!option('--all')) return FEW;
  const names = (await readdir(golden)).filter(name => name.endsWith('.safetensors'));
  return names.map(name => name.replace('.safetensors', '')).sort();
}

async function errors(page, engine, cases) {
  for (const name of cases) {
    const error = await page.value(`(async () => {
      const bytes = new Uint8Array(await (await fetch('/golden/${name}.safetensors')).arrayBuffer());
      return page.compute(engine => (${engine}).case_error('${name}', bytes)); })()`);
    // NaN is no agreement.
    assert.ok(error <= TOLERANCE, `${name}: ${error}`);
    console.log(`    ${name} ${error.toExponential(1)}`);
  }
}

const SHAPES = {
  0: [[[0.3, 0.2], [0.3, 0.5], [0.3, 0.8]], [[0.3, 0.5], [0.5, 0.35], [0.7, 0.2]], [[0.3, 0.5], [0.5, 0.65], [0.7, 0.8]]],
  1: [[[0.2, 0.25], [0.5, 0.25], [0.8, 0.25]], [[0.5, 0.25], [0.5, 0.5], [0.5, 0.8]]],
  2: [[[0.5, 0.2], [0.75, 0.35], [0.8, 0.5], [0.7, 0.7], [0.5, 0.8], [0.3, 0.7], [0.2, 0.5], [0.28, 0.32], [0.5, 0.2]]],
};
const KEYS = { up: 'ArrowUp', down: 'ArrowDown', left: 'ArrowLeft', right: 'ArrowRight', space: ' ' };
// By another hand.
const other = paths => paths.map(path => path.map(([x, y]) => [0.08 + 0.85 * x + 0.08 * (y - 0.5), 0.1 + 0.8 * y - 0.05 * (x - 0.5)]));

const tests = {
  async 'is small'() {
    const all = await Promise.all((await files(join(web, 'site'))).map(path => readFile(path)));
    const [whole, packed] = [all.reduce((sum, bytes) => sum + bytes.length, 0), all.reduce((sum, bytes) => sum + gzipSync(bytes).length, 0)];
    console.log(`    ${whole} bytes, ${packed} packed`);
    assert.ok(whole < 3e6 && packed < 1e6);
  },

  async 'takes its first step soon after it has loaded'({ page }) {
    assert.match(await page.value("document.getElementById('device').textContent"), /on your GPU through WebGPU/);
    const seconds = await page.value(`(async () => {
      const [from, state] = [performance.now(), page.sinusoid.state];
      await page.compute(() => state.training.advance(1));
      const first = performance.now();
      await page.compute(() => state.training.advance(1));
      return [from, first - from, performance.now() - first].map(ms => ms / 1000); })()`);
    console.log(`    starts after ${seconds[0].toFixed(2)} s, first step ${seconds[1].toFixed(2)} s with compilation, the next ${seconds[2].toFixed(3)} s`);
    assert.ok(seconds[2] < 2);
  },

  async "its kernels pass the browser's compiler"({ page }) {
    const [count, complaints] = await page.value(`(async () => {
      const all = page.wasm.Engine.kernels();
      const device = await (await navigator.gpu.requestAdapter()).requestDevice();
      const bad = [];
      for (let i = 0; i < all.length; i += 2) {
        const info = await device.createShaderModule({ code: all[i + 1] }).getCompilationInfo();
        bad.push(...info.messages.filter(m => m.type === 'error').map(m => all[i] + ': ' + m.message));
      }
      device.destroy();
      return [all.length / 2, bad]; })()`);
    console.log(`    ${count} kernels`);
    assert.deepEqual(complaints, []);
    assert.ok(count > 50);
  },

  async 'its meta-gradients are those of the golden cases, on the GPU'({ page }) {
    await errors(page, 'engine', option('--quick') ? FEW.slice(0, 1) : await cases());
  },

  async 'and on the processor'({ page }) {
    await page.value('window.processor = page.wasm.Engine.cpu(), 0');
    await errors(page, 'window.processor', await cases());
  },

  async 'trains'({ page }) {
    // Eight tasks a round, one step: what is played by a processor takes long.
    await page.value("document.getElementById('meta-batch').value = 3, 0");
    await page.value("(e => { e.value = 1; e.dispatchEvent(new Event('change')); })(document.getElementById('inner-steps'))");
    await page.value("document.getElementById('run').click()");
    await page.until('300 rounds', 'page.sinusoid.state.losses.length >= 300', 180);
    const [before, after] = [await page.value(mean(0, 50)), await page.value(mean(-50, undefined))];
    console.log(`    loss ${before.toFixed(2)} → ${after.toFixed(2)}; ${await page.value("document.getElementById('rate').textContent")}`);
    assert.ok(after < 0.85 * before);
  },

  async 'keeps what it submits short'({ page }) {
    // Each submission from when the one before was done, as the browser tells it.
    const lengths = await page.value(`(async () => {
      const [all, real] = [[], GPUQueue.prototype.submit];
      let before = 0;
      GPUQueue.prototype.submit = function (commands) {
        const from = performance.now();
        real.call(this, commands);
        this.onSubmittedWorkDone().then(() => { const now = performance.now(); all.push(now - Math.max(from, before)); before = now; });
      };
      const state = page.sinusoid.state;
      for (let i = 0; i < 12; i++) await page.compute(() => state.training.advance(4));
      all.length = 0;
      for (let i = 0; i < 6; i++) await page.compute(() => state.training.advance(4));
      GPUQueue.prototype.submit = real;
      return all; })()`);
    const sorted = [...lengths].sort((a, b) => a - b);
    const [middle, longest] = [sorted[sorted.length >> 1], sorted[sorted.length - 1]];
    console.log(`    ${lengths.length} submissions for 24 rounds: ${middle.toFixed(0)} ms in the middle, ${longest.toFixed(0)} at most`);
    // Longer ones than 50 ms are cut, as far as a round has dispatches: then there are more of them than rounds.
    assert.ok(middle < 50 || lengths.length >= 48, `${lengths.length} submissions`);
  },

  async 'goes on where the GPU is lost'({ page }) {
    const before = await page.value('page.sinusoid.state.losses.length');
    await page.value('page.device.engine.lose()');
    await page.until('training after the loss', `page.sinusoid.state.losses.length > ${before} + 20 && page.device.lost > 0`, 60);
    assert.match(await page.value("document.getElementById('trouble').textContent"), /lost and has been opened anew/);
    await page.value("page.sinusoid.state.running && document.getElementById('run').click()");
    await page.value('page.sinusoid.state.loop');
  },

  async 'follows a point that is dragged'({ page }) {
    await page.value('page.sinusoid.follow()');
    const curve = () => page.value('[...page.sinusoid.state.curves.meta.slice(-101)]');
    const before = await curve();
    const [x, y] = await page.value('(p => [(p.x + 5) / 10, 0.5 - p.y / 12])(page.sinusoid.state.points[0])');
    await page.stroke('wave-meta', [[x, y], [x, y > 0.5 ? y - 0.2 : y + 0.2], [x, y > 0.5 ? y - 0.4 : y + 0.4]]);
    await page.value('page.sinusoid.follow()');
    const after = await curve();
    const moved = Math.max(...after.map((v, i) => Math.abs(v - before[i])));
    console.log(`    the curve moves by ${moved.toFixed(2)}`);
    assert.ok(moved > 0.2);
  },

  async 'is moved by keys'({ page }) {
    const points = () => page.value('page.sinusoid.state.points.map(p => [p.x, p.y])');
    await page.value("document.getElementById('wave-meta').focus()");
    const before = await points();
    await page.key('n');
    await page.key('ArrowUp');
    await page.key('a');
    assert.equal((await points()).length, before.length + 1);
    assert.equal((await points()).filter((p, i) => before[i] && p[1] > before[i][1]).length, 1);
    await page.key('Delete');
    assert.equal((await points()).length, before.length);
  },

  async 'begins anew where its controls change'({ page }) {
    const set = (id, value) => page.value(`(e => { e.value = '${value}'; e.dispatchEvent(new Event('change')); })(document.getElementById('${id}'))`);
    const fresh = async text => {
      // In the queue of what is computed: an object does one thing at a time.
      const made = 'page.compute(() => page.sinusoid.state.done === 0 && page.sinusoid.state.training.recipe())';
      await page.until(text, `${made}.then(recipe => recipe && recipe.includes(${JSON.stringify(text)}))`, 60);
      await page.value('page.sinusoid.state.first');
    };
    await page.value("page.sinusoid.state.running && document.getElementById('run').click(), page.sinusoid.state.loop");
    const rounds = async () => {
      await page.value("document.getElementById('run').click()");
      await page.until('two rounds', 'page.sinusoid.state.losses.length >= 2', 120);
      await page.value("document.getElementById('run').click()");
      await page.value('page.sinusoid.state.loop');
      assert.ok(await page.value('page.sinusoid.state.losses.every(Number.isFinite) && page.sinusoid.state.done >= 2'));
    };
    await set('meta-batch', 1);
    await fresh('meta_batch = 2');
    await rounds();
    await set('inner-lr', -2);
    await fresh('lr = 0.01');
    await rounds();
    await set('order', 'first');
    await fresh('order = "first"');
    await rounds();
    // The same rounds again, from the same start.
    const first = await page.value('page.sinusoid.state.losses[0]');
    await page.value("document.getElementById('reset').click()");
    await fresh('order = "first"');
    await rounds();
    assert.equal(await page.value('page.sinusoid.state.losses[0]'), first);
    await set('order', 'second');
    await fresh('order = "second"');
    await rounds();
  },

  async 'is drawn in by keys'({ page }) {
    await page.value("document.getElementById('clear-all').click()");
    const focus = selector => page.value(`document.querySelector('${selector}').focus()`);
    const keys = async text => { for (const key of text.split(' ')) await page.key(KEYS[key] ?? key); };
    const [up, down] = ['up '.repeat(5).trim(), 'down '.repeat(10).trim()];
    const [left, right] = ['left '.repeat(5).trim(), 'right '.repeat(10).trim()];
    await focus('#examples figure:nth-child(1) canvas');
    await keys(`${up} space ${down} space`);
    await focus('#examples figure:nth-child(2) canvas');
    await keys(`${left} space ${right} space`);
    await focus('#question');
    await keys(`right ${up} space ${down} space`);
    const strokes = await page.value('[page.draw.state.pads[0], page.draw.state.question].map(pad => pad.strokes.map(s => [s[0], s[s.length - 1]]))');
    const near = (a, b) => Math.abs(a - b) < 1e-6;
    assert.ok(strokes.every(all => all.length === 1) && near(strokes[0][0][0][1], 0.25) && near(strokes[0][0][1][1], 0.75), JSON.stringify(strokes));
    await page.value('page.draw.follow()');
    const verdict = await page.value("document.getElementById('verdict').textContent");
    console.log(`    ${verdict}`);
    assert.match(verdict, /This is A/);
    await keys('Delete');
    assert.equal(await page.value('page.draw.state.question.strokes.length'), 0);
    await page.value("document.getElementById('clear-all').click()");
  },

  async 'names a character that is drawn'({ page }) {
    for (const [c, paths] of Object.entries(SHAPES)) {
      for (const path of paths) await page.stroke(`#examples figure:nth-child(${+c + 1}) canvas`, path);
    }
    for (const [c, paths] of Object.entries(SHAPES)) {
      await page.value("document.getElementById('clear-question').click()");
      for (const path of other(paths)) await page.stroke('question', path);
      await page.value('page.draw.follow()');
      const verdict = await page.value("document.getElementById('verdict').textContent");
      console.log(`    ${'ABC'[c]}: ${verdict}`);
      assert.match(verdict, new RegExp(`This is ${'ABC'[c]}`));
    }
  },

  async 'fits a picture'({ page }) {
    // Few pixels: what is played by a processor takes long.
    await page.value('page.field.state.side = 16');
    await page.value("document.getElementById('sample').click()");
    await page.value('page.field.state.done');
    const { meta, plain } = await page.value('page.field.state.psnr');
    console.log(`    after 2 and 5 steps ${meta[2].toFixed(1)} and ${meta[5].toFixed(1)} dB, from a usual start ${plain[2].toFixed(1)} and ${plain[5].toFixed(1)}`);
    assert.ok(meta[2] > plain[2] + 2 && meta[5] > meta[1]);
  },

  async 'saves a run that the command line goes on with'({ page }) {
    await page.value("document.getElementById('save').click()");
    await page.until('a checkpoint', 'page.sinusoid.state.saved && !document.getElementById("save").disabled');
    const text = await page.value(`(async () => { let t = ''; for (const b of new Uint8Array(await page.sinusoid.state.saved.arrayBuffer())) t += String.fromCharCode(b); return btoa(t); })()`);
    const done = await page.value('page.sinusoid.state.done');
    const bytes = Buffer.from(text, 'base64');
    assert.ok(bytes.includes(`checkpoints/${done}.safetensors`) && bytes.includes('recipe.toml'));
    const program = process.env.FASTWEIGHTS;
    if (!program) { console.log('    (FASTWEIGHTS is not set: the command line is not tried)'); return; }
    const folder = await mkdtemp(join(tmpdir(), 'fastweights-run-'));
    await writeFile(join(folder, 'run.zip'), bytes);
    assert.equal(spawnSync('unzip', ['-q', 'run.zip'], { cwd: folder }).status, 0, 'unzip');
    const run = join(folder, `sinusoid-${done}`);
    const went = spawnSync(program, ['train', '--resume', run, '--device', 'cpu', '--stop-at', String(done + 50)], { encoding: 'utf8' });
    assert.equal(went.status, 0, went.stderr + went.stdout);
    assert.ok(existsSync(join(run, 'checkpoints', `${done + 50}.safetensors`)), went.stderr + went.stdout);
    await rm(folder, { recursive: true });
  },

  // As docs/ shows it: after some training, with a picture and characters.
  async 'shows itself'({ browser, address }) {
    if (!shots || firefox) return;
    await mkdir(shots, { recursive: true });
    const page = await opened(browser, address, '?device=cpu');
    await page.value("document.getElementById('run').click()");
    await page.until('4,000 rounds', 'page.sinusoid.state.losses.length >= 4000', 300);
    await page.value("document.getElementById('run').click()");
    await page.value('page.sinusoid.state.loop');
    await page.value('page.draw.showOne(3)');
    await page.value("document.getElementById('sample').click()");
    await page.value('page.field.state.done');
    for (const [name, look] of [['desktop', {}], ['dark', { dark: true }], ['phone', { width: 390, height: 800, phone: true }]]) {
      await page.look(look);
      await page.value('window.scrollTo(0, 0)');
      await writeFile(join(shots, `browser-${name}.png`), await page.picture());
      assert.ok(await page.value('document.documentElement.scrollWidth <= window.innerWidth'), `${name}: wider than its window`);
    }
    await page.look({});
    const end = await page.value("document.getElementById('draw').getBoundingClientRect().top + window.scrollY");
    await writeFile(join(shots, 'browser.png'), await page.picture({ x: 0, y: 0, width: 1000, height: end, scale: 1 }));
    assert.deepEqual(page.complaints, []);
    await page.close();
  },

  async 'has no complaints in the console'({ page }) {
    // The loss of the GPU is one that was asked for.
    assert.deepEqual(page.complaints.filter(text => !/lost|destroy|recovered from.*map a buffer/i.test(text)), []);
    assert.ok(await page.value('page.device.lost') <= 1);
  },

  async 'goes on without WebGPU, and says so'({ browser, address }) {
    const page = await opened(browser, address, '?device=cpu');
    assert.match(await page.value("document.getElementById('device').textContent"), /your processor computes/);
    await page.value("document.getElementById('run').click()");
    await page.until('1,000 rounds', 'page.sinusoid.state.losses.length >= 1000', 120);
    const [before, after] = [await page.value(mean(0, 50)), await page.value(mean(-100, undefined))];
    console.log(`    loss ${before.toFixed(2)} → ${after.toFixed(2)}; ${await page.value("document.getElementById('rate').textContent")}`);
    assert.ok(after < 0.85 * before);
    await page.value("document.getElementById('run').click()");
    await page.value('page.sinusoid.state.loop');
    assert.deepEqual(page.complaints, []);
    await page.close();
  },
};

const server = await serve(0, { '/': join(web, 'site'), '/golden/': golden });
const address = `http://127.0.0.1:${server.address().port}/`;
const browser = await (firefox ? Firefox.open(firefox) : Chromium.open(process.env.CHROMIUM ?? 'chromium'));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => { browser.child.kill(); process.exit(1); });
let [ran, failed] = [0, 0];
try {
  const gpu = await opened(browser, address, '?device=gpu');
  const processor = option('--quick') ? await opened(browser, address, '?device=cpu') : gpu;
  for (const [name, test] of Object.entries(tests)) {
    if ((only && !name.includes(only)) || (option('--quick') && LONG.includes(name))) continue;
    ran += 1;
    const page = ON_GPU.includes(name) ? gpu : processor;
    const from = Date.now();
    try {
      await test({ browser, page, address });
      console.log(`ok    ${name} (${((Date.now() - from) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}: ${error.stack}`);
    }
  }
  if (failed) console.log([...gpu.complaints, ...processor.complaints].join('\n'));
} finally {
  await browser.close();
  server.close();
}
console.log(failed ? `${failed} of ${ran} failed` : `${ran} passed`);
process.exitCode = failed || !ran ? 1 : 0;
