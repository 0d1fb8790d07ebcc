// What tests do with a page in any browser. A browser brings `value`, `drag`, `key` and `look`.

export class Page {
  // What the console heard.
  complaints = [];

  async until(what, expression, seconds = 60) {
    const end = Date.now() + 1000 * seconds;
    while (Date.now() < end) {
      if (await this.value(expression)) return;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    throw new Error(`${what}: not within ${seconds} s; the page says: ${await this.value("document.getElementById('trouble').textContent")}`);
  }

  // Moves the mouse along places of an element, from 0 to 1, with its button held.
  async stroke(id, places) {
    const box = await this.value(`(() => { const e = document.getElementById('${id}') ?? document.querySelector('${id}'); e.scrollIntoView({ block: 'center' });
      const b = e.getBoundingClientRect(); return { x: b.x, y: b.y, width: b.width, height: b.height }; })()`);
    await this.drag(places.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height]));
  }
}
