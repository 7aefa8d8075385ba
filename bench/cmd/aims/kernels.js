// Kernels that keep a processor busy, each in another way. measure runs each some times and returns the best time in milliseconds:
// what is asked is how good the machine code is that V8 makes, not how soon.

// mandelbrot: doubles in registers.
function mandelbrot() {
  let inside = 0;
  const size = 1000;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const cr = (2.4 * x) / size - 1.7, ci = (2.4 * y) / size - 1.2;
      let zr = 0, zi = 0, i = 0;
      while (i < 80 && zr * zr + zi * zi < 4) {
        const t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
        i++;
      }
      if (i === 80) inside++;
    }
  }
  return inside;
}

// planets: objects with double fields.
function planets() {
  const bodies = [];
  for (let i = 0; i < 5; i++) {
    bodies.push({ x: Math.cos(i) * (1 + i), y: Math.sin(i) * (1 + i), z: i * 0.1, vx: -Math.sin(i), vy: Math.cos(i), vz: 0, mass: i === 0 ? 40 : 0.01 * i });
  }
  for (let step = 0; step < 1_000_000; step++) {
    for (let i = 0; i < bodies.length; i++) {
      const a = bodies[i];
      for (let j = i + 1; j < bodies.length; j++) {
        const b = bodies[j];
        const dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
        const d2 = dx * dx + dy * dy + dz * dz + 0.01, m = 0.0005 / (d2 * Math.sqrt(d2));
        a.vx -= dx * b.mass * m; a.vy -= dy * b.mass * m; a.vz -= dz * b.mass * m;
        b.vx += dx * a.mass * m; b.vy += dy * a.mass * m; b.vz += dz * a.mass * m;
      }
    }
    for (const b of bodies) { b.x += 0.0005 * b.vx; b.y += 0.0005 * b.vy; b.z += 0.0005 * b.vz; }
  }
  return bodies[0].x;
}

// sieve: typed arrays of bytes.
function sieve() {
  const n = 20_000_000, composite = new Uint8Array(n + 1);
  let primes = 0;
  for (let i = 2; i <= n; i++) {
    if (composite[i] !== 0) continue;
    primes++;
    for (let j = i * 2; j <= n; j += i) composite[j] = 1;
  }
  return primes;
}

// queens: recursion, small integers, arrays.
function queens() {
  const n = 12, columns = new Array(n).fill(false), up = new Array(2 * n).fill(false), down = new Array(2 * n).fill(false);
  let solutions = 0;
  function place(row) {
    if (row === n) { solutions++; return; }
    for (let c = 0; c < n; c++) {
      if (columns[c] || up[row + c] || down[row - c + n]) continue;
      columns[c] = up[row + c] = down[row - c + n] = true;
      place(row + 1);
      columns[c] = up[row + c] = down[row - c + n] = false;
    }
  }
  place(0);
  return solutions;
}

// dispatch: classes, virtual calls, closures.
class Shape { constructor(n) { this.n = n; } area() { return 0; } }
class Square extends Shape { area() { return this.n * this.n; } }
class Circle extends Shape { area() { return 3 * this.n * this.n; } }
class Row extends Shape { area() { return this.n; } }
function dispatch() {
  const shapes = [];
  for (let i = 0; i < 3000; i++) shapes.push(i % 3 === 0 ? new Square(i % 7) : i % 3 === 1 ? new Circle(i % 5) : new Row(i % 11));
  let total = 0;
  for (let k = 0; k < 20_000; k++) {
    for (let i = 0; i < shapes.length; i++) total += shapes[i].area();
    if (k % 50 === 0) total += shapes.filter((s) => s.n > 2).map((s) => s.n).reduce((a, b) => a + b, 0);
  }
  return total;
}

// garbage: many small objects that die young, Maps and strings.
function garbage() {
  const counts = new Map();
  let length = 0;
  for (let i = 0; i < 2_000_000; i++) {
    const key = "k" + (i % 1000);
    const o = { key, at: i, parts: [i, i + 1] };
    counts.set(o.key, (counts.get(o.key) ?? 0) + o.parts.length);
    length += o.key.length;
  }
  return counts.size + length;
}

// json: text to objects and back.
function json() {
  const rows = [];
  for (let i = 0; i < 1000; i++) rows.push({ id: i, name: "row " + i, tags: ["a", "b", String(i)], nested: { x: i / 3, ok: i % 2 === 0 } });
  let n = 0;
  for (let k = 0; k < 60; k++) n += JSON.stringify(JSON.parse(JSON.stringify(rows))).length;
  return n;
}

function measure() {
  const took = {};
  for (const kernel of [mandelbrot, planets, sieve, queens, dispatch, garbage, json]) {
    let best = Infinity;
    const first = kernel();
    for (let i = 0; i < 5; i++) {
      const began = performance.now();
      if (kernel() !== first) throw new Error(kernel.name);
      best = Math.min(best, performance.now() - began);
    }
    took[kernel.name] = Math.max(best, 0.001);
  }
  return took;
}
