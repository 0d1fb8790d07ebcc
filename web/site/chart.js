// Small drawings on canvases, sharp on any screen and in the page's colours.

export const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export function begin(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = '12px system-ui, sans-serif';
  pen.lineWidth = 2;
  return { pen, width, height };
}

// A colour between two, the way colours mix for the eye.
export function between(from, to, share) {
  return `color-mix(in oklab, ${to} ${Math.round(100 * share)}%, ${from})`;
}

export function line(pen, xs, ys) {
  pen.beginPath();
  for (let i = 0, down = false; i < xs.length; i++) {
    if (!Number.isFinite(ys[i])) { down = false; continue; }
    if (down) pen.lineTo(xs[i], ys[i]); else pen.moveTo(xs[i], ys[i]);
    down = true;
  }
  pen.stroke();
}

const short = value => value >= 1e6 ? `${value / 1e6} M` : value >= 1e3 ? `${value / 1e3} k` : `${+value.toPrecision(2)}`;

function ticks(low, high, log, most) {
  if (log) {
    const all = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
      for (const digit of [1, 2, 5]) {
        const value = digit * 10 ** power;
        if (value >= low * 0.999 && value <= high * 1.001) all.push(value);
      }
    }
    return all.length > most ? all.filter(value => /^1|0\.0*1$/.test(String(value))) : all;
  }
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(digit => digit * power).find(size => size >= rough);
  const all = [];
  for (let value = Math.ceil(low / step) * step; value <= high * 1.0001; value += step) all.push(value);
  return all;
}

// Lines over one axis: `lines` of { xs, ys, colour, name, faint }, the vertical axis logarithmic or not.
export function plot(canvas, lines, { log = false, xName = '', empty = '' } = {}) {
  const { pen, width, height } = begin(canvas);
  const values = lines.flatMap(l => [...l.ys]).filter(v => Number.isFinite(v) && (!log || v > 0));
  if (!values.length) {
    pen.fillStyle = colour('faint');
    pen.fillText(empty, 16, 28);
    return;
  }
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (log) [low, high] = [low / 1.2, high * 1.2];
  else [low, high] = [low - 0.05 * (high - low || 1), high + 0.05 * (high - low || 1)];
  const last = Math.max(1, ...lines.map(l => l.xs[l.xs.length - 1] || 0));
  const [left, right, top, bottom] = [48, width - 12, 12, height - 28];
  const scale = log ? Math.log : v => v;
  const X = x => left + (right - left) * x / last;
  const Y = y => bottom - (bottom - top) * (scale(y) - scale(low)) / (scale(high) - scale(low));
  pen.lineWidth = 1;
  pen.textAlign = 'right';
  for (const value of ticks(low, high, log, 6)) {
    pen.strokeStyle = colour('line');
    line(pen, [left, right], [Y(value), Y(value)]);
    pen.fillStyle = colour('faint');
    pen.fillText(short(value), left - 6, Y(value) + 4);
  }
  pen.textAlign = 'center';
  const room = pen.measureText(xName).width + 24;
  for (const value of ticks(0, last, false, 5)) if (X(value) < right - room) pen.fillText(short(value), X(value), height - 10);
  pen.textAlign = 'right';
  pen.fillText(xName, right, height - 10);
  lines.forEach((l, i) => {
    pen.strokeStyle = pen.fillStyle = l.colour;
    pen.lineWidth = l.faint ? 1 : 2;
    line(pen, [...l.xs].map(X), [...l.ys].map(Y));
    pen.textAlign = 'right';
    if (l.name) pen.fillText(l.name, right - 4, bottom - 10 - 16 * (lines.length - 1 - i));
  });
}
