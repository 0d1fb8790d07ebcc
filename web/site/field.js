// A picture as a network: two starts fit it, one meta-trained, one as usual.

import { Start } from './pkg/fastweights_web.js';
import { colour, plot } from './chart.js';
import { breathe, compute, onGpu, say } from './device.js';

// One more than the start was trained for: its rates are those of few steps, and later ones spoil the fit.
const STEPS = 5;
const element = id => document.getElementById(id);
const state = { starts: {}, rates: {}, psnr: {}, side: 48, job: 0, done: Promise.resolve() };

// From 0 to 1 by channel, in the order of places.
function values(pixels) {
  const out = new Float32Array(pixels.length / 4 * 3);
  for (let i = 0, o = 0; i < pixels.length; i += 4) for (let c = 0; c < 3; c++) out[o++] = pixels[i + c] / 255;
  return out;
}

function places(side) {
  const out = new Float32Array(2 * side * side);
  for (let i = 0; i < side * side; i++) {
    out[2 * i] = (2 * (i % side) + 1) / side - 1;
    out[2 * i + 1] = (2 * Math.floor(i / side) + 1) / side - 1;
  }
  return out;
}

function paint(canvas, rgb, side) {
  canvas.width = canvas.height = side;
  const image = new ImageData(side, side);
  for (let i = 0, o = 0; i < rgb.length; i += 3) {
    for (let c = 0; c < 3; c++) image.data[o++] = Math.round(255 * Math.max(0, Math.min(1, rgb[i + c])));
    image.data[o++] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

const decibels = error => Math.min(100, -10 * Math.log10(error));

function draw() {
  const lines = [['meta', 'meta-trained'], ['plain', 'usual start']].filter(([kind]) => state.psnr[kind])
    .map(([kind, name]) => ({ xs: state.psnr[kind].map((_, i) => i), ys: state.psnr[kind], colour: colour(kind), name }));
  plot(element('psnr'), lines, { xName: 'steps', empty: 'Choose a picture: the quality of both fits appears here.' });
}

export const redraw = draw;

// Has both fit, and shows each step of them. More and more steps are taken from the start, so that the first are seen at once.
async function fit(rgb, side, job) {
  const x = places(side);
  const shown = { meta: 0, plain: 0 };
  state.psnr = { meta: [], plain: [] };
  for (const steps of [1, 2, 3, STEPS]) {
    for (const kind of ['meta', 'plain']) {
      if (job !== state.job) return;
      say('field-state', `Fitting: ${steps} of ${STEPS} steps …`);
      await breathe();
      const found = await compute(engine => state.starts[kind].adapt(engine, x, rgb, undefined, x, rgb, steps, state.rates[kind]));
      const [all, losses] = [found.predictions, found.losses];
      found.free();
      for (; shown[kind] <= steps; shown[kind]++) {
        const step = shown[kind];
        if (job !== state.job) return;
        paint(element(`field-${kind}`), all.subarray(step * rgb.length, (step + 1) * rgb.length), side);
        state.psnr[kind].push(decibels(losses[step]));
        const words = `${step === 1 ? '1 step' : `${step} steps`}, ${state.psnr[kind][step].toFixed(1)} dB`;
        element(`field-${kind}`).nextElementSibling.querySelector('output').textContent = words;
        draw();
        await new Promise(resolve => setTimeout(resolve, 150));
      }
    }
  }
  say('field-state', `${STEPS} steps done.`);
}

// Fits a picture: anything that a canvas can draw, cut to its middle square.
export function use(source, width, height) {
  const side = onGpu() ? state.side : 32;
  const canvas = element('truth');
  canvas.width = canvas.height = side;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const least = Math.min(width, height);
  pen.imageSmoothingQuality = 'high';
  pen.fillStyle = '#fff';
  pen.fillRect(0, 0, side, side);
  pen.drawImage(source, (width - least) / 2, (height - least) / 2, least, least, 0, 0, side, side);
  canvas.nextElementSibling.textContent = `the picture, ${side} × ${side}`;
  const rgb = values(pen.getImageData(0, 0, side, side).data);
  const job = ++state.job;
  state.done = state.done.then(() => fit(rgb, side, job)).catch(error => say('trouble', `No fit: ${error.message || error}`));
  return state.done;
}

async function take(file) {
  if (!file) return;
  if (!file.type.startsWith('image/')) { say('field-state', 'This is no picture; choose a PNG, JPEG or WebP file.'); return; }
  try {
    const picture = await createImageBitmap(file);
    await use(picture, picture.width, picture.height);
  } catch {
    say('field-state', 'This picture cannot be read; choose a PNG, JPEG or WebP file.');
  }
}

// A landscape that the page paints itself.
function sample() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 240, height: 240 });
  const pen = canvas.getContext('2d');
  const sky = pen.createLinearGradient(0, 0, 0, 150);
  [['#1c3d6e', 0], ['#7f7fb2', 0.55], ['#f4b183', 1]].forEach(([c, at]) => sky.addColorStop(at, c));
  pen.fillStyle = sky;
  pen.fillRect(0, 0, 240, 240);
  const disc = (x, y, r, c) => { pen.fillStyle = c; pen.beginPath(); pen.arc(x, y, r, 0, 7); pen.fill(); };
  disc(160, 100, 26, '#ffe9b0');
  const hill = (points, c) => {
    pen.fillStyle = c;
    pen.beginPath();
    pen.moveTo(0, 240);
    points.forEach(([x, y]) => pen.lineTo(x, y));
    pen.lineTo(240, 240);
    pen.fill();
  };
  hill([[0, 130], [55, 85], [95, 130], [140, 105], [190, 140], [240, 115]], '#4d5b86');
  hill([[0, 165], [60, 140], [130, 170], [200, 145], [240, 160]], '#37513f');
  hill([[0, 205], [90, 185], [170, 205], [240, 190]], '#22382b');
  disc(52, 168, 20, '#6a8f3c');
  pen.fillStyle = '#4b3423';
  pen.fillRect(48, 184, 8, 26);
  pen.fillStyle = '#b5482e';
  pen.fillRect(165, 168, 40, 28);
  pen.fillStyle = '#ffd98a';
  pen.fillRect(172, 176, 9, 9);
  return use(canvas, 240, 240);
}

export async function start() {
  const [recipe, bytes, about] = await Promise.all([
    fetch('models/field.toml').then(answer => answer.text()),
    fetch('models/field.safetensors').then(answer => answer.arrayBuffer()),
    fetch('models/field.json').then(answer => answer.json()),
  ]);
  state.starts = { meta: Start.learned(recipe, new Uint8Array(bytes)), plain: Start.random(recipe) };
  state.rates = { meta: undefined, plain: about.standard_rate };
  element('picture').addEventListener('change', event => take(event.target.files[0]));
  element('sample').addEventListener('click', sample);
  const drop = element('field');
  drop.addEventListener('dragover', event => { event.preventDefault(); element('drop').classList.add('over'); });
  drop.addEventListener('dragleave', () => element('drop').classList.remove('over'));
  drop.addEventListener('drop', event => {
    event.preventDefault();
    element('drop').classList.remove('over');
    take(event.dataTransfer.files[0]);
  });
  draw();
  return state;
}
