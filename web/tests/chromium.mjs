// Chromium over the DevTools protocol, through a pipe: no package, no port.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Page } from './page.mjs';

export class Chromium {
  static async open(program) {
    const folder = await mkdtemp(join(tmpdir(), 'fastweights-web-'));
    const options = ['--headless=new', '--remote-debugging-pipe', `--user-data-dir=${folder}`, '--no-first-run', '--no-sandbox',
      '--disable-gpu-watchdog', '--disable-background-networking', '--hide-scrollbars', '--enable-unsafe-webgpu', 'about:blank'];
    const child = spawn(program, options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    const browser = new Chromium();
    Object.assign(browser, { child, folder, calls: new Map(), heard: [], next: 1, rest: '' });
    child.stdio[4].setEncoding('utf8');
    child.stdio[4].on('data', text => browser.hear(text));
    child.on('exit', () => { for (const { reject } of browser.calls.values()) reject(new Error('the browser ended')); });
    return browser;
  }

  hear(text) {
    const parts = (this.rest + text).split('\0');
    this.rest = parts.pop();
    for (const part of parts) {
      const message = JSON.parse(part);
      const call = this.calls.get(message.id);
      if (!call) { this.heard.forEach(listener => listener(message)); continue; }
      this.calls.delete(message.id);
      if (message.error) call.reject(new Error(`${call.method}: ${message.error.message}`)); else call.resolve(message.result);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.next++;
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.calls.set(id, { method, resolve, reject }));
  }

  async page(address) {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    const page = new ChromiumPage(this, sessionId, targetId);
    this.heard.push(message => { if (message.sessionId === sessionId) page.hear(message); });
    for (const domain of ['Page', 'Runtime', 'Log']) await page.send(`${domain}.enable`);
    await page.send('Page.navigate', { url: address });
    return page;
  }

  async close() {
    await this.send('Browser.close').catch(() => {});
    await new Promise(resolve => (this.child.exitCode === null ? this.child.once('exit', resolve) : resolve()));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class ChromiumPage extends Page {
  constructor(browser, session, target) {
    super();
    Object.assign(this, { browser, session, target });
  }

  send(method, params) { return this.browser.send(method, params, this.session); }

  hear({ method, params }) {
    const words = args => args.map(arg => arg.value ?? arg.description ?? arg.type).join(' ');
    if (method === 'Runtime.exceptionThrown') this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type)) this.complaints.push(words(params.args));
    if (method === 'Log.entryAdded' && params.entry.level === 'error') this.complaints.push(`${params.entry.text} ${params.entry.url ?? ''}`);
  }

  // What an expression comes to; promises are awaited.
  async value(expression) {
    const found = await this.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (found.exceptionDetails) throw new Error(found.exceptionDetails.exception?.description ?? found.exceptionDetails.text);
    return found.result.value;
  }

  async drag(places) {
    const send = (type, [x, y], buttons) => this.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', buttons, clickCount: 1 });
    await send('mousePressed', places[0], 1);
    for (const place of places.slice(1)) await send('mouseMoved', place, 1);
    await send('mouseReleased', places.at(-1), 0);
  }

  async key(key) {
    for (const type of ['keyDown', 'keyUp']) await this.send('Input.dispatchKeyEvent', { type, key });
  }

  async look({ width = 1000, height = 800, dark = false, phone = false }) {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: phone });
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }] });
    await new Promise(resolve => setTimeout(resolve, 300));
  }

  // The whole page as a PNG, or a part of it.
  async picture(clip) {
    const { data } = await this.send('Page.captureScreenshot', { captureBeyondViewport: true, format: 'png', clip });
    return Buffer.from(data, 'base64');
  }

  close() { return this.browser.send('Target.closeTarget', { targetId: this.target }); }
}
