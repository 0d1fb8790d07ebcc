// The engine, opened once: the GPU, or the processor where there is none. All that it computes goes through one queue, for an object
// of the engine takes one call at a time. Where the GPU is lost it is opened anew, and what depends on it moves.

import init, { Engine } from './pkg/fastweights_web.js';

const device = { engine: null, gpu: false, why: '', wanted: null, info: '', movers: [], lost: 0 };
let last = Promise.resolve();

const text = error => (error && error.message) || String(error);

export function say(id, words) {
  const element = document.getElementById(id);
  if (element.textContent !== words) element.textContent = words;
  if (id === 'trouble') element.hidden = !words;
}

// A GPU that is played by the processor is slower than the processor's own engine: it is taken only where it is asked for.
async function choose(wanted) {
  device.gpu = false;
  const adapter = await navigator.gpu?.requestAdapter();
  const { vendor = '', architecture = '', isFallbackAdapter = false } = adapter?.info ?? {};
  device.info = [vendor, architecture].filter(Boolean).join(' ');
  const played = isFallbackAdapter || /swiftshader|llvmpipe/i.test(device.info);
  if (!navigator.gpu) device.why = 'This browser has no WebGPU';
  else if (!adapter) device.why = 'WebGPU finds no GPU here';
  else if (wanted === 'cpu') device.why = 'WebGPU is left aside';
  else if (played && wanted !== 'gpu') device.why = 'WebGPU has only a GPU that the processor plays';
  else {
    try {
      device.engine = await Engine.gpu();
      device.gpu = true;
      return;
    } catch (error) {
      device.why = `WebGPU gave no device (${text(error).split('\n')[0]})`;
    }
  }
  device.engine = Engine.cpu();
}

function announce() {
  const vendor = device.gpu && device.info ? ` (${device.info})` : '';
  say('device', device.gpu
    ? `Computing on your GPU through WebGPU${vendor}.`
    : `${device.why}, so your processor computes: slower, with the same results.`);
}

export async function open() {
  await init();
  device.wanted = new URLSearchParams(location.search).get('device');
  await choose(device.wanted);
  announce();
  return device;
}

// What is to be done where the engine becomes another: made anew from what is known.
export const moves = mover => device.movers.push(mover);
export const onGpu = () => device.gpu;
export const engine = () => device.engine;

async function recover(error) {
  device.lost += 1;
  await choose(device.lost < 4 ? device.wanted : 'cpu');
  for (const mover of device.movers) mover(device.engine);
  announce();
  // That a buffer cannot be mapped is all that is told where a GPU was lost meanwhile.
  const what = /lost|destroyed|map a buffer/i.test(text(error)) ? 'was lost' : 'failed';
  say('trouble', device.gpu
    ? `The GPU ${what} and has been opened anew; everything goes on from the last known state.`
    : `The GPU ${what} and does not come back; the processor goes on from the last known state.`);
  console.warn(`recovered from: ${text(error)}`);
}

// Runs a job when those before it are done; once more where the GPU fails under it.
export function compute(job) {
  const run = async () => {
    const before = device.engine;
    try {
      return await job(before);
    } catch (error) {
      // Numbers that run away are not the GPU's fault.
      if (!device.gpu || error.name !== 'Device') throw error;
      await recover(error);
      return job(device.engine);
    }
  };
  const result = last.then(run);
  last = result.catch(() => {});
  return result;
}

// Lets the page draw and hear.
export const breathe = () => new Promise(resolve => setTimeout(resolve));
