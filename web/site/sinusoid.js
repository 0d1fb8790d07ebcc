// Waves: a meta-training that goes on while one looks, and a new wave that both networks adapt to.

import { Training } from './pkg/fastweights_web.js';
import { begin, between, colour, line, plot } from './chart.js';
import { breathe, compute, moves, onGpu, say } from './device.js';
import { download, zip } from './zip.js';

const element = id => document.getElementById(id);
const STEPS = 10;
const ROOM = 16;               // points that a wave may have
const [LOW, HIGH] = [-5, 5];   // where waves are known
const TALL = 6;
const GRID = Float32Array.from({ length: 101 }, (_, i) => LOW + (HIGH - LOW) * i / 100);

const state = {
  training: null, running: false, losses: [], smooth: [], rate: 0, starts: {}, curves: {}, errors: {},
  wave: null, points: [], chosen: 0, dragged: false, wanted: false, count: 1, done: 0,
};

const settings = () => ({
  lr: 10 ** +element('inner-lr').value,
  steps: +element('inner-steps').value,
  batch: 2 ** +element('meta-batch').value,
  order: element('order').value,
});

function show() {
  const { lr, steps, batch } = settings();
  for (const [id, words] of [['inner-lr', lr.toPrecision(2)], ['inner-steps', steps], ['meta-batch', batch]]) {
    element(id).nextElementSibling.textContent = words;
  }
  element('run').textContent = state.running ? 'Pause' : 'Train';
  const { done } = state;
  element('rate').textContent = `${done.toLocaleString('en')} rounds` +
    (state.running && state.rate ? ` · ${Math.round(state.rate).toLocaleString('en')} a second · ${Math.round(state.rate * batch).toLocaleString('en')} tasks a second` : '');
}

// ---- training

async function renew() {
  const { lr, steps, batch, order } = settings();
  const made = ['task.pool=0', `inner.lr=${lr}`, `inner.steps=${steps}`, `inner.order=${order}`, `outer.meta_batch=${batch}`,
    'control.visit=joint', 'model.init=torch', 'outer.meta_lr=3e-3', 'outer.clip_norm=1', 'outer.iterations=1000000'];
  await compute(engine => { state.training = new Training(engine, 'sinusoid', made); });
  Object.assign(state, { losses: [], smooth: [], rate: 0, count: 1, done: 0 });
  drawLoss();
  drawWaves();
  show();
  // Compilation may take a while: it is not waited for.
  state.first = look().catch(failed);
}

function note(losses) {
  for (const loss of losses) {
    const before = state.smooth.length ? state.smooth[state.smooth.length - 1].y : loss;
    const x = (state.smooth.length ? state.smooth[state.smooth.length - 1].x : 0) + 1;
    // A mean over the last tenth of the rounds, a thousand at most.
    const slow = 1 / Math.max(1, Math.min(0.1 * x, 1000));
    // Of logarithms, and within a factor of three: a single round far off does not hide the others.
    state.smooth.push({ x, y: before * Math.exp(slow * Math.max(-1.1, Math.min(1.1, Math.log(loss / before)))) });
    state.losses.push(loss);
  }
}

function thin(points, most) {
  const every = Math.max(1, Math.ceil(points.length / most));
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}

export function drawLoss() {
  const every = Math.max(1, Math.ceil(state.losses.length / 400));
  const raw = state.losses.map((y, i) => ({ x: i + 1, y })).filter((_, i) => i % every === 0);
  const smooth = thin(state.smooth, 400);
  plot(element('loss'), [
    { xs: raw.map(p => p.x), ys: raw.map(p => p.y), colour: colour('from'), faint: true },
    { xs: smooth.map(p => p.x), ys: smooth.map(p => p.y), colour: colour('meta') },
  ], { log: true, xName: 'rounds', empty: 'Press Train: the loss appears here.' });
}

// Rounds until the next look: about a tenth of a second of them.
async function train() {
  let [looked, drawn] = [0, 0];
  while (state.running) {
    const start = performance.now();
    const losses = await compute(() => state.training.advance(state.count));
    const seconds = (performance.now() - start) / 1000;
    if (!losses.length) { state.running = false; break; }
    note(losses);
    state.done += losses.length;
    state.rate = state.rate ? 0.8 * state.rate + 0.2 * losses.length / seconds : losses.length / seconds;
    const most = onGpu() ? 0.12 : 0.03;
    state.count = Math.max(1, Math.min(2000, Math.round(state.count * Math.min(2, most / seconds))));
    const now = performance.now();
    if (now - drawn > 100) { drawLoss(); show(); drawn = now; }
    if (now - looked > 700) {
      await compute(() => state.training.advance_plain(4 * state.count));
      await look();
      looked = performance.now();
    }
    await breathe();
  }
  await look();
  drawLoss();
  show();
}

// Takes both networks as they are now, and has them adapt.
async function look() {
  state.starts.meta = await compute(() => state.training.learned());
  state.starts.plain = await compute(() => state.training.pretrained());
  await adapt();
}

// ---- the new wave

function newWave() {
  const any = (low, high) => low + (high - low) * Math.random();
  state.wave = { height: any(1, 5), shift: any(0, 2 * Math.PI) };
  state.points = Array.from({ length: 5 }, () => any(LOW, HIGH)).map(x => ({ x, y: value(x), own: false }));
  state.chosen = 0;
}

const value = x => state.wave.height * Math.sin(x + state.wave.shift);

export async function adapt() {
  if (!state.starts.meta) return;
  // As many places as there is room for, so that nothing is compiled anew for another number of points.
  const [x, y, weight] = [0, 1, 2].map(() => new Float32Array(ROOM));
  state.points.forEach((p, i) => { x[i] = p.x; y[i] = p.y; weight[i] = 1; });
  const truth = GRID.map(value);
  for (const kind of ['meta', 'plain']) {
    const found = await compute(engine => state.starts[kind].adapt(engine, x, y, weight, GRID, truth, STEPS, undefined));
    state.curves[kind] = found.predictions;
    state.errors[kind] = found.losses;
    found.free();
  }
  drawWaves();
}

// Once more where something changed meanwhile.
let adapting = null;
export function follow() {
  state.wanted = true;
  drawWaves();
  adapting ??= (async () => {
    while (state.wanted) { state.wanted = false; await adapt(); }
  })().finally(() => { adapting = null; });
  return adapting;
}

const toX = (x, width) => (x - LOW) / (HIGH - LOW) * width;
const toY = (y, height) => height / 2 - y / TALL * height / 2;

function drawWave(kind) {
  const { pen, width, height } = begin(element(`wave-${kind}`));
  const xs = [...GRID].map(x => toX(x, width));
  pen.strokeStyle = colour('line');
  pen.lineWidth = 1;
  line(pen, [0, width], [height / 2, height / 2]);
  const curves = state.curves[kind];
  for (let step = 0; curves && step <= STEPS; step++) {
    pen.strokeStyle = between(colour('from'), colour(kind), step / STEPS);
    pen.lineWidth = step === STEPS ? 3 : 1.25;
    line(pen, xs, [...curves.subarray(step * GRID.length, (step + 1) * GRID.length)].map(y => toY(y, height)));
  }
  if (!state.points.some(p => p.own)) {
    pen.strokeStyle = colour('truth');
    pen.lineWidth = 2;
    pen.setLineDash([5, 5]);
    line(pen, xs, [...GRID].map(x => toY(value(x), height)));
    pen.setLineDash([]);
  }
  state.points.forEach((p, i) => {
    pen.fillStyle = i === state.chosen ? colour('meta') : colour('ink');
    pen.strokeStyle = colour('box');
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(toX(p.x, width), toY(p.y, height), i === state.chosen ? 8 : 6, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  });
  const error = state.errors[kind];
  element(`wave-${kind}-error`).textContent = error && !state.points.some(p => p.own)
    ? `· error ${error[0].toFixed(2)} → ${error[1].toFixed(2)} after 1 step → ${error[STEPS].toFixed(2)} after ${STEPS}` : '';
}

export function drawWaves() {
  drawWave('meta');
  drawWave('plain');
}

function add(x, y) {
  if (state.points.length >= ROOM) return;
  state.points.push({ x, y, own: Math.abs(y - value(x)) > 1e-6 });
  state.chosen = state.points.length - 1;
}

function remove() {
  if (state.points.length < 2) return;
  state.points.splice(state.chosen, 1);
  state.chosen = Math.min(state.chosen, state.points.length - 1);
}

function move(p, x, y) {
  p.x = Math.max(LOW, Math.min(HIGH, x));
  p.y = Math.max(-TALL, Math.min(TALL, y));
  p.own = true;
}

function pointer(canvas) {
  const at = event => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return [LOW + (HIGH - LOW) * x, TALL * (1 - 2 * y), box];
  };
  canvas.addEventListener('pointerdown', event => {
    const [x, y, box] = at(event);
    const far = p => Math.hypot((p.x - x) / (HIGH - LOW) * box.width, (p.y - y) / (2 * TALL) * box.height);
    const near = state.points.findIndex(p => far(p) < 18);
    if (near >= 0) state.chosen = near; else add(x, y);
    state.dragged = true;
    canvas.setPointerCapture(event.pointerId);
    follow();
  });
  canvas.addEventListener('pointermove', event => {
    if (!state.dragged) return;
    const [x, y] = at(event);
    move(state.points[state.chosen], x, y);
    follow();
  });
  for (const end of ['pointerup', 'pointercancel']) canvas.addEventListener(end, () => { state.dragged = false; });
  canvas.addEventListener('keydown', event => {
    const p = state.points[state.chosen];
    const steps = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, 0.2], ArrowDown: [0, -0.2] };
    if (steps[event.key]) move(p, p.x + steps[event.key][0], p.y + steps[event.key][1]);
    else if (event.key === 'n' || event.key === 'N') state.chosen = (state.chosen + 1) % state.points.length;
    else if (event.key === 'a' || event.key === 'A') addSomewhere();
    else if (event.key === 'Delete' || event.key === 'Backspace') remove();
    else return;
    event.preventDefault();
    follow();
  });
}

function addSomewhere() {
  const x = LOW + (HIGH - LOW) * Math.random();
  add(x, state.points.some(p => p.own) ? 0 : value(x));
}

// ---- buttons

async function save() {
  element('save').disabled = true;
  try {
    const [files, recipe, done] = await compute(async () => {
      const files = await state.training.checkpoint();
      return [files, ['recipe.toml', new TextEncoder().encode(state.training.recipe())], state.training.iteration];
    });
    const folder = `sinusoid-${done}`;
    const all = [recipe, ...files].map(([path, bytes]) => [`${folder}/${path}`, bytes]);
    state.saved = zip(all);
    download(state.saved, `${folder}.zip`);
  } finally {
    element('save').disabled = false;
  }
}

function buttons() {
  element('run').addEventListener('click', () => {
    state.running = !state.running;
    show();
    if (state.running) state.loop = train().catch(failed);
  });
  const anew = async () => {
    const was = state.running;
    state.running = false;
    await state.loop;
    await renew();
    if (was) element('run').click();
  };
  element('reset').addEventListener('click', () => anew().catch(failed));
  element('save').addEventListener('click', () => save().catch(failed));
  for (const id of ['inner-lr', 'inner-steps', 'meta-batch', 'order']) {
    element(id).addEventListener('input', show);
    element(id).addEventListener('change', () => anew().catch(failed));
  }
  element('new-wave').addEventListener('click', () => { newWave(); follow(); });
  element('add-point').addEventListener('click', () => { addSomewhere(); follow(); });
  element('remove-point').addEventListener('click', () => { remove(); follow(); });
  for (const kind of ['meta', 'plain']) pointer(element(`wave-${kind}`));
}

function failed(error) {
  state.running = false;
  show();
  say('trouble', `The training stopped: ${error.message || error}`);
}

export async function start() {
  newWave();
  buttons();
  moves(engine => {
    if (!state.training) return;
    state.training = state.training.moved(engine);
    state.done = state.training.iteration;
  });
  await renew();
  return state;
}
