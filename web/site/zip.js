// A zip archive of a few files, stored as they are.

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

const checksum = bytes => {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = table[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
};

const numbers = (...pairs) => {
  const bytes = new Uint8Array(pairs.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of pairs) {
    if (size === 2) view.setUint16(at, value, true); else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
};

// `files`: pairs of path and bytes.
export function zip(files) {
  const [parts, list] = [[], []];
  let at = 0;
  const add = bytes => { parts.push(bytes); at += bytes.length; };
  for (const [path, bytes] of files) {
    const name = new TextEncoder().encode(path);
    // Version 2.0, names in UTF-8, stored, the first of January 1980.
    const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 33], [4, checksum(bytes)], [4, bytes.length], [4, bytes.length], [2, name.length], [2, 0]];
    list.push([numbers([4, 0x02014b50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]), name]);
    add(numbers([4, 0x04034b50], ...common));
    add(name);
    add(bytes);
  }
  const begin = at;
  list.flat().forEach(add);
  add(numbers([4, 0x06054b50], [2, 0], [2, 0], [2, list.length], [2, list.length], [4, at - begin], [4, begin], [2, 0]));
  return new Blob(parts, { type: 'application/zip' });
}

export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
