// Firefox over its Marionette protocol: no package. What a page of browser.mjs offers, but for pictures and the console: there `complaints` has only what
// the page itself caught.

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Page } from './page.mjs';

// WebGPU where a processor plays the GPU, a port of the system's choice, no word to anybody outside.
const SETTINGS = {
  'dom.webgpu.enabled': true, 'gfx.webgpu.ignore-blocklist': true, 'marionette.port': 0, 'remote.prefs.recommended': true,
  'datareporting.policy.dataSubmissionEnabled': false, 'app.normandy.enabled': false, 'browser.shell.checkDefaultBrowser': false,
};
const KEYS = { ArrowUp: '\uE013', ArrowDown: '\uE015', ArrowLeft: '\uE012', ArrowRight: '\uE014', Delete: '\uE017' };

const wait = ms => new Promise(resolve => setTimeout(resolve, ms));

export class Firefox {
  static async open(program) {
    const folder = await mkdtemp(join(tmpdir(), 'fastweights-web-'));
    const settings = Object.entries(SETTINGS).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    await writeFile(join(folder, 'user.js'), settings.join(''));
    const child = spawn(program, ['--headless', '--marionette', '--no-remote', '--profile', folder], { stdio: 'ignore' });
    const browser = Object.assign(new Firefox(), { child, folder, calls: new Map(), next: 1, rest: Buffer.alloc(0) });
    child.on('exit', () => { for (const { reject } of browser.calls.values()) reject(new Error('the browser ended')); });
    await browser.connect();
    await browser.send('WebDriver:NewSession');
    await browser.send('WebDriver:SetTimeouts', { script: 600000 });
    return browser;
  }

  async connect() {
    let port = NaN;
    for (let tries = 0; !(port > 0); tries++) {
      if (this.child.exitCode !== null || tries > 600) throw new Error('Firefox does not start');
      await wait(100);
      port = parseInt(await readFile(join(this.folder, 'MarionetteActivePort'), 'utf8').catch(() => ''), 10);
    }
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', bytes => this.hear(bytes));
    await new Promise((resolve, reject) => this.socket.once('connect', resolve).once('error', reject));
  }

  // A message is its length, a colon, and JSON.
  hear(bytes) {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (;;) {
      const colon = this.rest.indexOf(':');
      const end = colon + 1 + parseInt(this.rest.subarray(0, Math.max(colon, 0)).toString(), 10);
      if (!(colon > 0 && this.rest.length >= end)) return;
      const message = JSON.parse(this.rest.subarray(colon + 1, end).toString());
      this.rest = this.rest.subarray(end);
      const [kind, id, error, result] = Array.isArray(message) ? message : [];
      const call = this.calls.get(id);
      if (kind !== 1 || !call) continue;
      this.calls.delete(id);
      if (error) call.reject(new Error(`${call.method}: ${error.message}`)); else call.resolve(result);
    }
  }

  send(method, params = {}) {
    const id = this.next++;
    const text = Buffer.from(JSON.stringify([0, id, method, params]));
    this.socket.write(Buffer.concat([Buffer.from(`${text.length}:`), text]));
    return new Promise((resolve, reject) => this.calls.set(id, { method, resolve, reject }));
  }

  async page(address) {
    const { handle } = await this.send('WebDriver:NewWindow', { type: 'tab' });
    const page = Object.assign(new FirefoxPage(), { browser: this, handle });
    await page.send('WebDriver:Navigate', { url: address });
    return page;
  }

  async close() {
    await this.send('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => {});
    if (this.child.exitCode === null) await new Promise(resolve => this.child.once('exit', resolve));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class FirefoxPage extends Page {
  // Marionette speaks to one window at a time.
  async send(method, params) {
    if (this.browser.current !== this.handle) await this.browser.send('WebDriver:SwitchToWindow', { handle: this.handle });
    this.browser.current = this.handle;
    return this.browser.send(method, params);
  }

  async value(expression) {
    const script = `const done = arguments[arguments.length - 1];
      Promise.resolve().then(() => window.eval(arguments[0])).then(value => done({ value }), error => done({ error: String(error) + '\\n' + error.stack }));`;
    const { value } = await this.send('WebDriver:ExecuteAsyncScript', { script, args: [expression] });
    if (value.error) throw new Error(value.error);
    return value.value;
  }

  perform(type, more, actions) {
    return this.send('WebDriver:PerformActions', { actions: [{ type, id: type, ...more, actions }] });
  }

  drag([first, ...rest]) {
    const move = ([x, y]) => ({ type: 'pointerMove', duration: 0, origin: 'viewport', x: Math.round(x), y: Math.round(y) });
    const button = type => ({ type, button: 0 });
    return this.perform('pointer', { parameters: { pointerType: 'mouse' } }, [move(first), button('pointerDown'), ...rest.map(move), button('pointerUp')]);
  }

  key(key) {
    return this.perform('key', {}, ['keyDown', 'keyUp'].map(type => ({ type, value: KEYS[key] ?? key })));
  }

  close() { return this.send('WebDriver:CloseWindow'); }
}
