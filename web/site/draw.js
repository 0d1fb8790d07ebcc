// Characters: a meta-trained network adapts to one drawing each, and names another.

import { Start } from './pkg/fastweights_web.js';
import { compute, say } from './device.js';

const WAYS = 5;
const SIDE = 28;
const STEPS = 5;
const NAMES = 'ABCDE';
const element = id => document.getElementById(id);
const state = { start: null, pads: [], question: null, wanted: false, chances: null };

// A box to draw in, by pen, finger, mouse or keys; `changed` is called after each stroke.
class Pad {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.pen = canvas.getContext('2d', { willReadFrequently: true });
    this.changed = changed;
    this.at = [0.5, 0.5];
    this.down = false;
    canvas.tabIndex = 0;
    this.clear();
    this.listen();
  }

  clear() {
    this.strokes = [];
    this.draw();
  }

  get empty() { return this.strokes.length === 0; }

  draw(cursor = false) {
    const { pen, canvas: { width, height } } = this;
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, width, height);
    this.ink(pen, width);
    if (cursor) {
      pen.strokeStyle = this.down ? '#c2410c' : '#1d5fa8';
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(this.at[0] * width, this.at[1] * height, 5, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  ink(pen, size) {
    pen.strokeStyle = pen.fillStyle = '#000';
    // As thick as the pen of the network's examples.
    pen.lineWidth = 0.045 * size;
    pen.lineCap = pen.lineJoin = 'round';
    for (const stroke of this.strokes) {
      pen.beginPath();
      stroke.forEach(([x, y], i) => (i ? pen.lineTo(x * size, y * size) : pen.moveTo(x * size, y * size)));
      if (stroke.length === 1) pen.lineTo(stroke[0][0] * size + 0.1, stroke[0][1] * size);
      pen.stroke();
    }
  }

  listen() {
    const { canvas } = this;
    const place = event => {
      const box = canvas.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    };
    canvas.addEventListener('pointerdown', event => {
      canvas.setPointerCapture(event.pointerId);
      this.strokes.push([place(event)]);
      this.drawing = true;
      this.draw();
    });
    canvas.addEventListener('pointermove', event => {
      if (!this.drawing) return;
      this.strokes[this.strokes.length - 1].push(place(event));
      this.draw();
    });
    for (const end of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(end, () => {
        if (this.drawing) this.changed();
        this.drawing = false;
      });
    }
    canvas.addEventListener('keydown', event => this.key(event));
    canvas.addEventListener('blur', () => this.draw());
    canvas.addEventListener('focus', () => { if (canvas.matches(':focus-visible')) this.draw(true); });
  }

  key(event) {
    const step = { ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, -0.05], ArrowDown: [0, 0.05] }[event.key];
    if (step) {
      this.at = this.at.map((v, i) => Math.max(0.05, Math.min(0.95, v + step[i])));
      if (this.down) this.strokes[this.strokes.length - 1].push([...this.at]);
    } else if (event.key === ' ') {
      this.down = !this.down;
      if (this.down) this.strokes.push([[...this.at]]); else this.changed();
    } else if (event.key === 'Delete' || event.key === 'Backspace') {
      this.down = false;
      this.clear();
      this.changed();
    } else return;
    event.preventDefault();
    this.draw(true);
  }

  // What the network sees: 28 × 28, ink 1 on 0, the drawing in the middle and about as large as its examples.
  pixels() {
    const all = this.strokes.flat();
    const [xs, ys] = [all.map(p => p[0]), all.map(p => p[1])];
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = 0.62 / Math.max(right - left, bottom - top, 0.2);
    const moved = this.strokes.map(stroke => stroke.map(([x, y]) =>
      [0.5 + (x - (left + right) / 2) * scale, 0.5 + (y - (top + bottom) / 2) * scale]));
    const fine = 8 * SIDE;
    const canvas = Object.assign(document.createElement('canvas'), { width: fine, height: fine });
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, fine, fine);
    this.ink.call({ strokes: moved }, pen, fine);
    const { data } = pen.getImageData(0, 0, fine, fine);
    const out = new Float32Array(SIDE * SIDE);
    for (let y = 0; y < fine; y++) {
      for (let x = 0; x < fine; x++) out[(y >> 3) * SIDE + (x >> 3)] += (255 - data[4 * (y * fine + x)]) / 255 / 64;
    }
    return out;
  }
}

// Probabilities of the drawn classes after each step, [step][class].
export async function classify(drawings, question) {
  const image = SIDE * SIDE;
  const [x, y, weight] = [new Float32Array(WAYS * image), new Float32Array(WAYS), new Float32Array(WAYS)];
  // The network takes means over a batch (batch norm), so the question is asked among the examples.
  const query = new Float32Array((WAYS + 1) * image);
  query.set(question);
  for (let c = 0; c < WAYS; c++) {
    const drawn = drawings[c];
    y[c] = c;
    weight[c] = drawn ? 1 : 0;
    if (drawn) x.set(drawn, c * image);
    query.set(drawn || drawings.find(Boolean), (c + 1) * image);
  }
  const found = await compute(engine => state.start.adapt(engine, x, y, weight, query, new Float32Array(WAYS + 1), STEPS, undefined));
  const all = found.predictions;
  found.free();
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const scores = [...all.subarray(step * (WAYS + 1) * WAYS, step * (WAYS + 1) * WAYS + WAYS)];
    const most = Math.max(...scores.filter((_, c) => drawings[c]));
    const parts = scores.map((score, c) => (drawings[c] ? Math.exp(score - most) : 0));
    const sum = parts.reduce((a, b) => a + b);
    return parts.map(part => part / sum);
  });
}

function table(rows, drawn) {
  const head = `<tr><th>after</th>${drawn.map(c => `<th scope="col">${NAMES[c]}</th>`).join('')}</tr>`;
  const body = rows.map((row, step) => {
    const best = Math.max(...row);
    const cells = drawn.map(c => `<td class="${row[c] === best && step ? 'best' : ''}">${(100 * row[c]).toFixed(0)} %</td>`);
    return `<tr><th scope="row">${step === 1 ? '1 step' : `${step} steps`}</th>${cells.join('')}</tr>`;
  });
  element('chances').innerHTML = head + body.join('');
}

async function answer() {
  const drawings = state.pads.map(pad => (pad.empty ? null : pad.pixels()));
  const drawn = [...drawings.keys()].filter(c => drawings[c]);
  if (drawn.length < 2 || state.question.empty) {
    state.chances = null;
    element('chances').innerHTML = '';
    say('verdict', drawn.length < 2 ? 'Draw at least two characters, and one to name.' : 'Now draw one of them in the large box.');
    return;
  }
  state.chances = await classify(drawings, state.question.pixels());
  const last = state.chances[STEPS];
  const best = last.indexOf(Math.max(...last));
  table(state.chances, drawn);
  say('verdict', `This is ${NAMES[best]}, with ${(100 * last[best]).toFixed(0)} % after ${STEPS} steps.`);
}

let answering = null;
export function follow() {
  state.wanted = true;
  answering ??= (async () => {
    while (state.wanted) { state.wanted = false; await answer(); }
  })().catch(error => say('trouble', `No answer: ${error.message || error}`)).finally(() => { answering = null; });
  return answering;
}

// Characters to look at: paths of points from 0 to 1.
const SHOWN = [
  [[[0.3, 0.2], [0.3, 0.8]], [[0.3, 0.5], [0.7, 0.2]], [[0.3, 0.5], [0.7, 0.8]]],
  [[[0.5, 0.2], [0.74, 0.35], [0.8, 0.5], [0.7, 0.7], [0.5, 0.8], [0.3, 0.7], [0.2, 0.5], [0.28, 0.32], [0.5, 0.2]], [[0.5, 0.42], [0.5, 0.58]]],
  [[[0.2, 0.25], [0.8, 0.25]], [[0.5, 0.25], [0.5, 0.8]], [[0.35, 0.8], [0.65, 0.8]]],
  [[[0.25, 0.75], [0.5, 0.2], [0.75, 0.75]], [[0.25, 0.75], [0.75, 0.75]]],
  [[[0.25, 0.2], [0.7, 0.3], [0.3, 0.5], [0.75, 0.6], [0.3, 0.8]]],
];

// One of them by another hand: turned, slanted, trembling a little.
function again(paths, seed) {
  let n = seed;
  const any = () => { n = (n * 16807) % 2147483647; return n / 2147483647 - 0.5; };
  const [turn, slant] = [0.25 * any(), 0.2 * any()];
  return paths.map(path => path.map(([x, y]) => {
    const [u, v] = [x - 0.5 + slant * (y - 0.5), y - 0.5];
    return [0.5 + u * Math.cos(turn) - v * Math.sin(turn) + 0.04 * any(), 0.5 + u * Math.sin(turn) + v * Math.cos(turn) + 0.04 * any()];
  }));
}

export function showOne(which, seed = 7) {
  state.pads.forEach((pad, c) => { pad.strokes = SHOWN[c]; pad.draw(); });
  state.question.strokes = again(SHOWN[which], seed);
  state.question.draw();
  return follow();
}

function pads() {
  for (let c = 0; c < WAYS; c++) {
    const figure = document.createElement('figure');
    const canvas = Object.assign(document.createElement('canvas'), { width: 168, height: 168, className: 'pad example' });
    canvas.setAttribute('aria-label', `Example of character ${NAMES[c]}. Arrows move the pen, space lifts or lowers it, Delete clears`);
    const caption = document.createElement('figcaption');
    caption.textContent = NAMES[c];
    figure.append(canvas, caption);
    element('examples').append(figure);
    state.pads.push(new Pad(canvas, follow));
  }
  state.question = new Pad(element('question'), follow);
}

export async function start() {
  pads();
  element('clear-question').addEventListener('click', () => { state.question.clear(); follow(); });
  element('clear-all').addEventListener('click', () => { [...state.pads, state.question].forEach(pad => pad.clear()); follow(); });
  element('show-draw').addEventListener('click', () => showOne(Math.floor(WAYS * Math.random()), 1 + Math.floor(1e6 * Math.random())));
  const [recipe, bytes] = await Promise.all([
    fetch('models/draw.toml').then(answer => answer.text()),
    fetch('models/draw.safetensors').then(answer => answer.arrayBuffer()),
  ]);
  state.start = Start.learned(recipe, new Uint8Array(bytes));
  return state;
}
