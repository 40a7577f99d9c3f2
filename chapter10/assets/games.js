// The adversarial games: further parts of the script in live.js, cut and joined as it says.

// == game lab
const sigmoid = a => 1 / (1 + Math.exp(-a)), softplus = a => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
// == game lab critic
const short = v => v && Math.abs(v) < .01 ? v.toExponential(1).replace(/-/g, '−') : fmt(v);
// == game lab
// An arrow of l pixels along the unit vector (a, b).
const arrow = (g, x, y, l, a, b, o) => {
  const u = x + l * a, v = y + l * b, e = Math.min(o.head || 5, l / 2);
  path(g, [[x, y], [u, v]], o);
  path(g, [[u - e * (a + .5 * b), v - e * (b - .5 * a)], [u, v], [u - e * (a - .5 * b), v - e * (b + .5 * a)]], o);
};

// == game
// ---- the game on a line: all integrals by the trapezoid rule, as chapter10/exact/game.py does them
KINDS.game = (d, ui) => {
  const A = ui.panel(520, 340, data.alt), B = ui.panel(268, 340, say("JSD and Wasserstein distance over the shift of the generator"));
  const sl = (label, l, value) => ui.slider({label, min: l[0], max: l[1], step: .01, value});
  const shift = sl(say("shift of q"), d.limits.shift, d.shift), width = sl(say("width of q"), d.limits.width, d.width), power = sl(say("strength of D"), d.limits.strength, d.strength);
  const bar = ui.buttons(), table = ui.read('table');
  const to = (a, b, c) => { shift.set(a); width.set(b); power.set(c); ui.request(); };
  ui.button(bar, say("The best D: strength 1"), () => to(shift.value, width.value, 1));
  if (d.means.length < 2) ui.button(bar, say("Set q = p"), () => to(d.means[0], d.std, power.value));
  ui.button(bar, say("Back to the start"), () => to(d.shift, d.width, d.strength));
  const n = d.points, xs = range(-d.reach, d.reach, n), step = xs[1] - xs[0], [lo, hi] = d.limits.shift;
  const logBell = (x, m, s) => -.5 * ((x - m) / s) ** 2 - Math.log(s) - .5 * Math.log(TAU);
  // log p and its slope
  const known = xs.map(x => {
    const t = d.means.map(m => logBell(x, m, d.std)), top = Math.max(...t), e = t.map(v => Math.exp(v - top)), sum = e.reduce((a, b) => a + b);
    return [top + Math.log(sum / t.length), e.reduce((a, v, j) => a + v * (d.means[j] - x), 0) / sum / d.std ** 2];
  });
  const integral = f => { let t = 0; for (let i = 0; i < n; i++) t += (i % (n - 1) ? 1 : .5) * f(i); return t * step; };
  const distances = (m, s) => {
    const lq = xs.map(x => logBell(x, m, s)), p = known.map(t => Math.exp(t[0])), q = lq.map(Math.exp);
    const jsd = .5 * integral(i => p[i] * (Math.LN2 - softplus(lq[i] - known[i][0])) + q[i] * (Math.LN2 - softplus(known[i][0] - lq[i])));
    let area = 0, left = 0;
    for (let i = 1; i < n; i++) {
      const right = left + .5 * step * (p[i] - q[i] + p[i - 1] - q[i - 1]), size = Math.abs(left) + Math.abs(right);
      area += step * (left * right < 0 ? (left ** 2 + right ** 2) / (2 * size) : size / 2);
      left = right;
    }
    return {lq, p, q, jsd: clamp(jsd, 0, Math.LN2), w: area};
  };
  const values = () => {
    const m = shift.value, s = width.value, k = power.value, {lq, p, q, jsd, w} = distances(m, s);
    const l = lq.map((v, i) => known[i][0] - v), a = l.map(v => k * v), slope = i => k * (known[i][1] + (xs[i] - m) / (s * s));
    return {shift: m, width: s, strength: k, p, q, l, a, jsd, w, best: 2 * jsd - Math.log(4),
      value: integral(i => -p[i] * softplus(-a[i]) - q[i] * softplus(a[i])),
      minimax: integral(i => -q[i] * sigmoid(a[i]) * slope(i)), nonSaturating: integral(i => -q[i] * sigmoid(-a[i]) * slope(i))};
  };
  const cells = [[say("V(D, G), your D"), 'JSD(p, q)'], [say("−log 4 + 2·JSD, the best D"), say("Wasserstein distance")], [say("gradient of E log(1 − D)"), say("gradient of −E log D")]]
    .map(r => r.map(t => [make('th', {scope: 'row'}, t), make('td')]));
  table.append(make('tbody', {}, ...cells.map(r => make('tr', {}, ...r.flat()))));
  let drawn = 0, curves;
  const X = v => 10 + (v - lo) / (hi - lo) * 500, Y = v => 244 - v / d.top * 200, P = t => 244 - 200 * t;
  const U = v => 34 + (v - lo) / (hi - lo) * 222, shown = xs.map((x, i) => i).filter(i => xs[i] >= lo - step && xs[i] <= hi + step);
  const line = (g, f, o) => path(g, shown.map(i => [X(xs[i]), f(i)]), o);
  return {
    values: () => { const {p, q, l, a, ...v} = values(); return v; },
    draw: () => {
      const v = values();
      if (drawn !== v.width) { drawn = v.width; curves = range(lo, hi, 61).map(t => [t, distances(t, drawn)]); }
      A.show(g => {
        [[GREEN, say("data p(x)"), 10], [BLUE, say("generator q(x)"), 96], ['#d55e00', say("D(x), right scale"), 212]].forEach(([c, t, x]) => { box(g, [x, 12, 14, 4], c); text(g, t, x + 19, 18); });
        if (v.strength !== 1) { path(g, [[344, 14], [358, 14]], {stroke: INK, width: 1.5, dash: [3, 3]}); text(g, say("the best: p / (p + q)"), 363, 18); }
        clipped(g, [10, 30, 500, 215], () => {
          for (const t of [0, .5, 1]) path(g, [[10, P(t)], [510, P(t)]], {stroke: LINE});
          for (const [f, c, fill] of [[v.p, GREEN, 'rgba(0,158,115,.16)'], [v.q, BLUE, 'rgba(0,114,178,.16)']]) {
            path(g, [[10, 244], ...shown.map(i => [X(xs[i]), Y(f[i])]), [510, 244]], {fill});
            line(g, i => Y(f[i]), {stroke: c, width: 2});
          }
          if (v.strength !== 1) line(g, i => P(sigmoid(v.l[i])), {stroke: INK, width: 1.5, dash: [3, 3]});
          line(g, i => P(sigmoid(v.a[i])), {stroke: '#d55e00', width: 2.5});
        });
        [[0, '0'], [.5, '½'], [1, '1']].forEach(([t, s]) => text(g, s, 508, P(t) - 3, {size: 11, color: '#b34700', align: 'right', halo: 1}));
        axis(g, d.ticks, X, 244, 10, 510);
        [[say("push by log(1 − D), minimax"), v.minimax, '#8f2d00'], [say("push by −log D, non-saturating"), v.nonSaturating, '#6a3d9a']].forEach(([t, s, c], i) => {
          const y = 296 + 36 * i, x = X(v.shift), end = clamp(x - 500 / (hi - lo) * s / 2, 6, 514), l = Math.abs(end - x);
          text(g, t + ': ' + short(-s), 10, y - 9, {color: c, bold: 1});
          path(g, [[10, y], [510, y]], {stroke: LINE});
          if (l) arrow(g, x, y, l, Math.sign(end - x), 0, {stroke: c, width: 3, head: 9});
          dot(g, x, y, 4, c);
        });
      });
      B.show(g => {
        const chart = (y, top, title, now, pick, ticks, level) => {
          const V = t => y + 106 - t / top * 106;
          text(g, title, 6, y - 14, {bold: 1});
          text(g, fmt(now, 3), 256, y - 14, {align: 'right', bold: 1});
          for (const t of ticks) { path(g, [[34, V(t)], [256, V(t)]], {stroke: LINE}); text(g, fmt(t, level ? 1 : 0), 29, V(t) + 4, {size: 11, color: SOFT, align: 'right'}); }
          if (level) { path(g, [[34, V(level)], [256, V(level)]], {stroke: '#d55e00', width: 1.5, dash: [5, 3]}); text(g, 'log 2', 256, V(level) + 13, {size: 11, color: '#b34700', align: 'right', halo: 1}); }
          axis(g, d.ticks, U, y + 106, 34, 256);
          clipped(g, [34, y - 4, 224, 110], () => path(g, curves.map(c => [U(c[0]), V(pick(c[1]))]), {stroke: BLUE, width: 2}));
          path(g, [[U(v.shift), y - 4], [U(v.shift), y + 106]], {stroke: INK, dash: [2, 3]});
          dot(g, U(v.shift), V(now), 5, BLUE, '#fff');
        };
        chart(34, .75, say("JSD over the shift"), v.jsd, c => c.jsd, [0, .2, .4, .6], Math.LN2);
        chart(200, d.far, say("Wasserstein"), v.w, c => c.w, d.far_ticks);
      });
      const said = [[v.value, v.jsd], [v.best, v.w], [v.minimax, v.nonSaturating]];
      cells.forEach((r, i) => r.forEach((c, j) => { c[1].textContent = i < 2 ? fmt(said[i][j], 3) : short(said[i][j]); }));
      const note = say("JSD {jsd}, Wasserstein {w}, V {value}, gradients {minimax} and {other}", {jsd: fmt(v.jsd, 3), w: fmt(v.w), value: fmt(v.value, 3), minimax: short(v.minimax), other: short(v.nonSaturating)});
      [shift, width, power].forEach(q => q.say(note));
    }};
};

// == lab critic
// ---- small networks with hand-made gradients; chapter10/gan.py and wgan.py do the same with autograd
// Random numbers from a seed (mulberry32, then Box and Muller), so that the same start gives the same game.
const random = a => () => {
  a = a + 0x6d2b79f5 | 0;
  let t = Math.imul(a ^ a >>> 15, 1 | a);
  t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
  return ((t ^ t >>> 14) >>> 0) / 4294967296;
};
const normals = (u, n) => Float64Array.from({length: n}, () => Math.sqrt(-2 * Math.log(1 - u())) * Math.cos(TAU * u()));

// All weights of a network in one array p, in the order of torch's parameters; g: their gradient; m, v, t: Adam's.
const network = (sizes, p) => {
  const net = {sizes, p, g: new Float64Array(p.length), m: new Float64Array(p.length), v: new Float64Array(p.length), t: 0, layers: []};
  let k = 0;
  const part = (a, n) => a.subarray(k, k + n);
  for (let l = 1; l < sizes.length; l++) {
    const i = sizes[l - 1], o = sizes[l], layer = {i, o, w: part(p, o * i), gw: part(net.g, o * i)};
    k += o * i;
    net.layers.push({...layer, b: part(p, o), gb: part(net.g, o)});
    k += o;
  }
  return net;
};
// As torch draws a Linear layer: uniform within ±1/√inputs.
const fresh = (sizes, u) => {
  const p = [];
  for (let l = 1; l < sizes.length; l++) for (let k = (sizes[l - 1] + 1) * sizes[l]; k--;) p.push((2 * u() - 1) / Math.sqrt(sizes[l - 1]));
  return network(sizes, Float64Array.from(p));
};
// x [n, i] wᵀ -> [n, o]: the one product that everything below is made of. Blocks of 3 × 4 more than halve the time.
const times = (x, w, n, I, O) => {
  const y = new Float64Array(n * O), n3 = n - n % 3, O4 = O - O % 4;
  const dots = (r, from, to) => {
    for (let o = from; o < to; o++) { let s = 0; for (let i = 0, k = o * I, at = r * I; i < I; i++) s += x[at + i] * w[k + i]; y[r * O + o] = s; }
  };
  for (let r = 0; r < n3; r += 3) {
    const at = r * I, bt = at + I, ct = bt + I, to = r * O, uo = to + O, vo = uo + O;
    for (let o = 0, k = 0; o < O4; o += 4, k += 4 * I) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0, u0 = 0, u1 = 0, u2 = 0, u3 = 0;
      for (let i = 0; i < I; i++) {
        const f = x[at + i], g = x[bt + i], h = x[ct + i], w0 = w[k + i], w1 = w[k + I + i], w2 = w[k + 2 * I + i], w3 = w[k + 3 * I + i];
        s0 += f * w0; s1 += f * w1; s2 += f * w2; s3 += f * w3;
        t0 += g * w0; t1 += g * w1; t2 += g * w2; t3 += g * w3;
        u0 += h * w0; u1 += h * w1; u2 += h * w2; u3 += h * w3;
      }
      y[to + o] = s0; y[to + o + 1] = s1; y[to + o + 2] = s2; y[to + o + 3] = s3;
      y[uo + o] = t0; y[uo + o + 1] = t1; y[uo + o + 2] = t2; y[uo + o + 3] = t3;
      y[vo + o] = u0; y[vo + o + 1] = u1; y[vo + o + 2] = u2; y[vo + o + 3] = u3;
    }
    for (let q = r; q < r + 3; q++) dots(q, O4, O);
  }
  for (let q = n3; q < n; q++) dots(q, 0, O);
  return y;
};
const turned = (a, rows, columns) => {
  const t = new Float64Array(rows * columns);
  for (let r = 0, k = 0; r < rows; r++) for (let c = 0; c < columns; c++, k++) t[c * rows + r] = a[k];
  return t;
};
// Zero where the unit was off: relu'(h) for the hidden values h.
const masked = (d, h) => { for (let k = 0; k < d.length; k++) if (h[k] <= 0) d[k] = 0; return d; };
// The input and every layer's values.
const forward = (net, x, n) => {
  const h = [x];
  net.layers.forEach((l, j) => {
    const y = times(h[j], l.w, n, l.i, l.o), last = j + 1 === net.layers.length;
    for (let r = 0, k = 0; r < n; r++) for (let o = 0; o < l.o; o++, k++) { const v = y[k] + l.b[o]; y[k] = last || v > 0 ? v : 0; }
    h.push(y);
  });
  return h;
};
// gw [o, i] += dᵀ [o, n] x [n, i]
const outer = (d, x, n, {i, o, gw}) => times(turned(d, n, o), turned(x, n, i), o, n, i).forEach((v, k) => gw[k] += v);
// From d [n, outputs], the gradient in the outputs, to the gradients before each activation and in the input, last;
// with `add`, those in the weights are added to g.
const backward = (net, h, d, n, add) => {
  const us = [];
  for (let j = net.layers.length; j--;) {
    const l = net.layers[j];
    us.unshift(d);
    if (add) {
      outer(d, h[j], n, l);
      for (let r = 0, k = 0; r < n; r++) for (let o = 0; o < l.o; o++, k++) l.gb[o] += d[k];
    }
    const e = times(d, turned(l.w, l.o, l.i), n, l.o, l.i);
    d = j ? masked(e, h[j]) : e;
  }
  us.push(d);
  return us;
};
const adam = (net, lr, beta = .5, gamma = .999) => {
  const {p, g, m, v} = net, a = lr / (1 - beta ** ++net.t), c = 1 / Math.sqrt(1 - gamma ** net.t);
  for (let k = 0; k < p.length; k++) {
    m[k] = beta * m[k] + (1 - beta) * g[k];
    v[k] = gamma * v[k] + (1 - gamma) * g[k] * g[k];
    p[k] -= a * m[k] / (Math.sqrt(v[k]) * c + 1e-8);
  }
  g.fill(0);
};
// The gradient of a function of the slope, of which t [n, inputs] is the derivative in the slope, is added to g. It needs
// no second derivative of a ReLU, which is 0: it is one more pass forward, of t, through the same masks.
const through = (net, h, us, t, n) => net.layers.forEach((l, j) => {
  outer(us[j], t, n, l);
  if (j + 1 < net.layers.length) t = masked(times(t, l.w, n, l.i, l.o), h[j + 1]);
});

// == lab critic translation
// A menu with its label.
const menu = (ui, into, label, options, value, change) => {
  const id = ui.uid + '-menu' + ui.controls.getElementsByTagName('select').length, e = make('select', {id}, ...options.map(([v, t]) => make('option', {value: v}, t)));
  e.value = value;
  on(e, 'change', change || (() => ui.request()));
  into.append(make('span', {style: 'white-space:nowrap'}, make('label', {for: id, style: 'margin-right:6px'}, label), e));
  return e;
};

// == lab
// One step of D on real x and fake y, both [n, 2].
const stepD = (D, x, y, n, o) => {
  const both = new Float64Array(4 * n), d = new Float64Array(2 * n);
  both.set(x); both.set(y, 2 * n);
  const h = forward(D, both, 2 * n), a = h[h.length - 1];
  let loss = 0, r1 = 0;
  for (let k = 0; k < 2 * n; k++) {
    loss += softplus(k < n ? -a[k] : a[k]) / n;
    d[k] = (sigmoid(a[k]) - (k < n)) / n;
  }
  backward(D, h, d, 2 * n, true);
  if (o.r1) {
    const us = backward(D, h, new Float64Array(n).fill(1), n), grad = us.pop();
    through(D, h, us, grad.map(v => { r1 += v * v / n; return v * o.r1 / n; }), n);
  }
  adam(D, o.lr);
  return {loss, r1};
};
// d(loss of one fake)/d(its logit): −D for E log(1 − D), D − 1 for −E log D
const pull = (objective, a) => sigmoid(a) - (objective === 'minimax' ? 2 * sigmoid(a) : 1);
const stepG = (G, D, z, n, o) => {
  const h = forward(G, z, n), e = forward(D, h[h.length - 1], n), a = e[e.length - 1];
  const loss = a.reduce((t, v) => t + (o.objective === 'minimax' ? -softplus(v) : softplus(-v)) / n, 0);
  backward(G, h, backward(D, e, a.map(v => pull(o.objective, v) / n), n).pop(), n, true);
  adam(G, o.lr);
  return {loss};
};

// ---- the page: the game is stepped by hand or played
KINDS.lab = (d, ui) => {
  const S = d.side, T = 24, n = d.batch, real = 250, few = 80, REST = 150;
  const A = ui.panel(S, S + T, data.alt), B = ui.panel(d.width, S + T, say("Modes reached, good samples and the value of the game"));
  const z = Float64Array.from(floats(d.z)), shown = z.length / 2;
  // What D says over the plane: on few points while hand or game move, on more after REST ms without.
  const lands = [22, 44].map(N => ({N, paint: painter(N, N, true)}));
  const bar = ui.buttons(), choices = ui.buttons(), read = ui.read();
  read.classList.add('c10-two');
  const choice = (label, options, value, change) => menu(ui, choices, label, options, value, change && guard(change));
  let G, D, u, set, points, later, counts, history, playing = false, broken = '', start = 0;
  const last = a => a[a.length - 1], made = (x, m) => last(forward(G, x, m));
  const draws = m => {
    const x = normals(u, 2 * m), K = set.means.length;
    for (let k = 0; k < m; k++) {
      let j = 0;
      for (let t = u(); j + 1 < K && t >= set.below[j]; j++);
      x[2 * k] = set.means[j][0] + set.std * x[2 * k];
      x[2 * k + 1] = set.means[j][1] + set.std * x[2 * k + 1];
    }
    return x;
  };
  const begin = () => {
    set = d.sets[sets.value];
    u = random(d.seed + start);
    const given = start || d.sizes.length < 2 ? null : d.start;
    [G, D] = d.sizes.map((s, i) => given ? network(s, Float64Array.from(floats(given[i]))) : fresh(s, u));
    points = Float64Array.from(floats(set.points));
    for (const land of lands) {
      const {N} = land, grid = land.grid = new Float64Array(2 * N * N);
      for (let k = 0; k < N * N; k++) { grid[2 * k] = set.view * (2 * (k % N + .5) / N - 1); grid[2 * k + 1] = set.view * (1 - 2 * (Math.floor(k / N) + .5) / N); }
    }
    counts = {D: 0, G: 0}; history = []; broken = '';
    note();
  };
  // How the game stands, on points and noise that stay the same.
  const state = () => {
    const y = made(z, shown), a = last(forward(D, points, real)), f = last(forward(D, y, shown)), seen = new Set();
    let good = 0, value = 0, own = 0, other = 0;
    for (let k = 0; k < shown; k++) {
      let near = false;
      set.means.forEach((m, j) => { if ((m[0] - y[2 * k]) ** 2 + (m[1] - y[2 * k + 1]) ** 2 <= 9 * set.std ** 2) { near = true; seen.add(j); } });
      good += near / shown; value -= softplus(f[k]) / shown; other += sigmoid(f[k]) / shown;
    }
    for (const t of a) { value -= softplus(-t) / real; own += sigmoid(t) / real; }
    return {y, modes: seen.size, of: set.means.length, good, value, own, other, ...counts};
  };
  const note = () => { const s = state(); history.push([counts.D + counts.G, s.modes, s.value]); };
  // The slope of the generator's loss at the first fakes: each is pushed against it.
  const pushes = ({y}) => {
    const h = forward(D, y.subarray(0, 2 * few), few), push = last(backward(D, h, last(h).map(a => pull(objective.value, a)), few));
    let mean = 0;
    for (let k = 0; k < few; k++) mean += Math.hypot(push[2 * k], push[2 * k + 1]) / few;
    return {push, mean};
  };
  const options = () => ({objective: objective.value, r1: +r1.value, lr: +rate.value});
  const step = (who, x, noise) => {
    if (broken) return;
    noise = noise || normals(u, 2 * n);
    const m = noise.length / 2, o = options();
    const r = who === 'D' ? stepD(D, x || draws(m), made(noise, m), m, o) : stepG(G, D, noise, m, o);
    if (!Number.isFinite(r.loss + (who === 'D' ? D : G).p[0])) { broken = say("The game broke off: its numbers are no longer finite. Start anew, with a lower rate."); stop(); }
    counts[who]++;
    if ((counts.D + counts.G) % 20 === 0) note();
    return r;
  };
  const round = () => {
    const [a, b] = ratio.value.split(':');
    for (let k = 0; k < a; k++) step('D');
    for (let k = 0; k < b; k++) step('G');
  };
  const guard = act => () => { try { act(); ui.request(); } catch (e) { stop(); fail(ui.root, e); } };
  const stop = () => { playing = false; if (play) play.textContent = say("Play"); };
  const tick = () => {
    if (!playing || !ui.root.isConnected) return;
    const end = performance.now() + d.budget;
    guard(() => { do round(); while (playing && performance.now() < end); })();
    if (playing) requestAnimationFrame(tick);
  };
  ui.button(bar, say("D step"), guard(() => step('D')));
  ui.button(bar, say("G step"), guard(() => step('G')));
  ui.button(bar, say("One round"), guard(round));
  // Nothing moves by itself for those who ask for less motion.
  const play = matchMedia('(prefers-reduced-motion: reduce)').matches ? null
    : ui.button(bar, say("Play"), () => { if (playing) stop(); else if (!broken) { playing = true; play.textContent = say("Stop"); tick(); } });
  ui.button(bar, say("50 rounds"), guard(() => { for (let k = 0; k < 50; k++) round(); }));
  ui.button(bar, say("Start anew"), guard(() => { stop(); begin(); }));
  ui.button(bar, say("Other start"), guard(() => { stop(); start++; begin(); }));
  const sets = choice(say("Data"), d.sets.map((s, i) => [i, s.name]), 0, () => { stop(); begin(); });
  const objective = choice(say("G descends"), [['non-saturating', '−log D(G(z))'], ['minimax', 'log(1 − D(G(z)))']], d.objective);
  const r1 = choice('R1', d.penalties.map(v => [v, v ? 'γ = ' + v : say("off")]), d.r1);
  const ratio = choice(say("D : G steps"), d.ratios.map(v => [v, v.replace(':', ' : ')]), d.ratio);
  const rate = choice(say("Rate"), d.rates.map(v => [v, v]), d.rate);
  const X = v => (v / set.view + 1) * S / 2, Y = v => T + (1 - v / set.view) * S / 2;
  // Between white at D = ½, blue at 1 and orange at 0, as the numbers of the still picture
  const tint = a => { const t = 1.2 * sigmoid(a) - .6, e = Math.abs(t), c = t > 0 ? [0, 114, 178] : [213, 94, 0]; return c.map(v => 255 + e * (v - 255)); };
  const chart = (g, y0, h, title, top, bottom, pick, ticks, level) => {
    const end = Math.max(200, counts.D + counts.G), at = t => 38 + t / end * (d.width - 52), up = v => y0 + h * (top - clamp(v, bottom, top)) / (top - bottom);
    text(g, title, 2, y0 - 10, {bold: 1});
    path(g, [[38, y0], [38, y0 + h], [d.width - 14, y0 + h]], {stroke: INK});
    for (const [v, t] of ticks) { text(g, t, 33, up(v) + 4, {size: 11, color: SOFT, align: 'right'}); path(g, [[38, up(v)], [d.width - 14, up(v)]], {stroke: LINE}); }
    if (level != null) path(g, [[38, up(level)], [d.width - 14, up(level)]], {stroke: '#d55e00', width: 1.5, dash: [5, 3]});
    path(g, history.map(p => [at(p[0]), up(pick(p))]), {stroke: BLUE, width: 2});
    dot(g, at(last(history)[0]), up(pick(last(history))), 3.5, BLUE);
    text(g, '0', 38, y0 + h + 14, {size: 11, color: SOFT, align: 'center'});
    text(g, String(end), d.width - 14, y0 + h + 14, {size: 11, color: SOFT, align: 'right'});
  };
  begin();
  return {
    state: () => { const s = state(); return {...s, points, push: pushes(s).push}; }, step, round, draws, sizes: s => { d.sizes = s; }, choose: (k, v) => { ({objective, r1, ratio, rate, sets})[k].value = v; }, history: () => history, begin,
    load: (a, b) => { [G, D] = d.sizes.map((s, i) => network(s, Float64Array.from(i ? b : a))); }, weights: () => [Array.from(G.p), Array.from(D.p)],
    draw: function draw(rested) {
      const s = state(), {y} = s, {N, grid, paint} = lands[+(rested === true)], land = last(forward(D, grid, N * N));
      clearTimeout(later);
      if (rested !== true) later = setTimeout(() => { try { if (ui.root.isConnected) draw(true); } catch (e) { fail(ui.root, e); } }, REST);
      const {push, mean} = pushes(s);
      A.show(g => {
        text(g, say("D(x): orange 0, blue 1"), 2, 15, {bold: 1});
        clipped(g, [0, T, S, S], () => paint(g, 0, T, S / N, k => tint(land[k])));
        clipped(g, [0, T, S, S], () => {
          for (let k = 0; k < real; k++) dot(g, X(points[2 * k]), Y(points[2 * k + 1]), 1.8, '#003f63');
          for (const [r, c] of [[3.6, '#fff'], [2.6, '#8f2d00']]) for (let k = 0; k < shown; k += 2) dot(g, X(y[2 * k]), Y(y[2 * k + 1]), r, c);
          for (let k = 0; k < few; k++) {
            const r = Math.hypot(push[2 * k], push[2 * k + 1]) || 1;
            arrow(g, X(y[2 * k]), Y(y[2 * k + 1]), 40 * r / (r + .2), -push[2 * k] / r, push[2 * k + 1] / r, {stroke: INK, width: 1.2});
          }
        });
        const keys = [['#003f63', say("real")], ['#8f2d00', say("generated")], [INK, say("its push")]];
        keys.forEach(([c, t], i) => { const x = S - 190 + [0, 46, 130][i]; dot(g, x, 11, 3, c); text(g, t, x + 7, 15); });
      });
      B.show(g => {
        const left = [say("steps of D, of G"), say("modes reached"), say("good samples"), 'V(D, G)', say("D of real, of generated"), say("mean push, nats a unit")];
        const right = [s.D + ', ' + s.G, say("{number} of {count}", {number: s.modes, count: s.of}), fmt(100 * s.good, 0) + ' %', fmt(s.value), fmt(s.own) + ', ' + fmt(s.other), short(mean)];
        left.forEach((t, i) => { text(g, t, 2, 15 + 20 * i, {bold: i == 1}); text(g, right[i], d.width - 14, 15 + 20 * i, {align: 'right', bold: i == 1}); });
        chart(g, 158, 110, say("modes reached, over steps of D and G"), s.of, 0, p => p[1], [[0, '0'], [s.of, s.of]]);
        chart(g, 318, 110, say("V(D, G); dashed: −log 4, at q = p and the best D"), 0, -3, p => p[2], [[0, '0'], [-1, '−1'], [-2, '−2'], [-3, '−3']], -Math.log(4));
      });
      read.textContent = broken || say("Start {start}: after {D} steps of D and {G} of G, {modes} of {of} modes are reached, and {good} % of the samples are good (within 3σ of a mode).", {...s, start: start + 1, good: fmt(100 * s.good, 0)});
    }};
};
