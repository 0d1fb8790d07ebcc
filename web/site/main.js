// The page: opens a device, then each of its three parts.

import * as device from './device.js';
import * as draw from './draw.js';
import * as field from './field.js';
import * as sinusoid from './sinusoid.js';
import * as wasm from './pkg/fastweights_web.js';

async function begin() {
  const opened = await device.open();
  // What tests and curious people may look at.
  window.page = { device: opened, compute: device.compute, wasm, sinusoid: {}, draw: {}, field: {} };
  const [waves, characters, fields] = [await sinusoid.start(), await draw.start(), await field.start()];
  Object.assign(window.page, {
    sinusoid: { state: waves, ...sinusoid }, draw: { state: characters, ...draw }, field: { state: fields, ...field },
  });
  const again = () => { sinusoid.drawWaves(); sinusoid.drawLoss(); field.redraw(); };
  window.addEventListener('resize', again);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  document.documentElement.dataset.ready = 'yes';
}

begin().catch(error => {
  device.say('device', 'The page could not start.');
  device.say('trouble', `${error.message || error}`);
  document.documentElement.dataset.ready = 'failed';
});
