// Serves the page: node web/serve.mjs [PORT]. Nothing but its own files.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const kinds = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript', '.wasm': 'application/wasm',
  '.json': 'application/json', '.toml': 'text/plain; charset=utf-8',
};

// Serves folders by the beginning of paths, the longest first; the port is the system's choice where it is 0.
export function serve(port, folders = { '/': join(here, 'site') }) {
  const roots = Object.entries(folders).sort(([a], [b]) => b.length - a.length);
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://here').pathname));
    const [begin, folder] = roots.find(([begin]) => path.startsWith(begin)) ?? [];
    try {
      if (!folder || path.includes('..')) throw new Error('outside');
      const rest = path.slice(begin.length);
      const body = await readFile(join(folder, rest === '' ? 'index.html' : rest));
      response.writeHead(200, { 'Content-Type': kinds[extname(path) || '.html'] ?? 'application/octet-stream' });
      response.end(body);
    } catch {
      response.writeHead(404, { 'Content-Type': 'text/plain' });
      response.end('There is no such file.');
    }
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = await serve(Number(process.argv[2] ?? 8000)).catch(error => {
    console.error(`web/serve.mjs: ${error.message}; another port: node web/serve.mjs 8080`);
    process.exit(1);
  });
  console.log(`http://127.0.0.1:${server.address().port}/`);
}
