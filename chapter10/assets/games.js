// The adversarial games: further parts of the script in live.js, cut and joined as it says.

// == lab
// ---- two small networks with hand-made gradients; chapter10/gan.py does the same with autograd
// Random numbers from a seed (mulberry32, then Box and Muller), so that the same start gives the same game.
const random = a => () => {
  a = a + 0x6d2b79f5 | 0;
  let t = Math.imul(a ^ a >>> 15, 1 | a);
  t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
  return ((t ^ t >>> 14) >>> 0) / 4294967296;
};
const normals = (u, n) => Float64Array.from({length: n}, () => Math.sqrt(-2 * Math.log(1 - u())) * Math.cos(TAU * u()));
const sigmoid = a => 1 / (1 + Math.exp(-a)), softplus = a => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));

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
// y [n, o] = x [n, i] wᵀ (+ b)
const linear = (x, n, {i: I, o: O, w}, b) => {
  const y = new Float64Array(n * O);
  for (let r = 0; r < n; r++) {
    const at = r * I, to = r * O;
    let o = 0, k = 0;
    for (; o + 4 <= O; o += 4, k += 4 * I) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let i = 0; i < I; i++) {
        const h = x[at + i];
        s0 += h * w[k + i]; s1 += h * w[k + I + i]; s2 += h * w[k + 2 * I + i]; s3 += h * w[k + 3 * I + i];
      }
      y[to + o] = s0; y[to + o + 1] = s1; y[to + o + 2] = s2; y[to + o + 3] = s3;
    }
    for (; o < O; o++, k += I) for (let i = 0; i < I; i++) y[to + o] += x[at + i] * w[k + i];
    if (b) for (o = 0; o < O; o++) y[to + o] += b[o];
  }
  return y;
};
// Zero where the unit was off: relu'(h) for the hidden values h.
const masked = (d, h) => { for (let k = 0; k < d.length; k++) if (h[k] <= 0) d[k] = 0; return d; };
// The input and every layer's values.
const forward = (net, x, n) => {
  const h = [x];
  net.layers.forEach((l, j) => {
    const y = linear(h[j], n, l, l.b);
    if (j + 1 < net.layers.length) for (let k = 0; k < y.length; k++) if (y[k] < 0) y[k] = 0;
    h.push(y);
  });
  return h;
};
// gw [o, i] += dᵀ [o, n] x [n, i]; half of d is 0 behind a ReLU and passed over
const outer = (d, x, n, {i: I, o: O, gw}) => {
  for (let r = 0; r < n; r++) for (let o = 0; o < O; o++) {
    const e = d[r * O + o];
    if (e) for (let i = 0, k = o * I, at = r * I; i < I; i++) gw[k + i] += e * x[at + i];
  }
};
// From d [n, outputs], the gradient in the outputs, to the gradients before each activation and in the input, last;
// with `add`, those in the weights are added to g.
const backward = (net, h, d, n, add) => {
  const us = [];
  for (let j = net.layers.length; j--;) {
    const l = net.layers[j], {i: I, o: O, w} = l, e = new Float64Array(n * I);
    us.unshift(d);
    if (add) {
      outer(d, h[j], n, l);
      for (let r = 0; r < n; r++) for (let o = 0; o < O; o++) l.gb[o] += d[r * O + o];
    }
    for (let r = 0; r < n; r++) for (let o = 0; o < O; o++) {
      const t = d[r * O + o];
      if (t) for (let i = 0, k = o * I, at = r * I; i < I; i++) e[at + i] += t * w[k + i];
    }
    d = j ? masked(e, h[j]) : e;
  }
  us.push(d);
  return us;
};
const adam = (net, lr, beta = .5) => {
  const {p, g, m, v} = net, a = lr / (1 - beta ** ++net.t), c = 1 / Math.sqrt(1 - .999 ** net.t);
  for (let k = 0; k < p.length; k++) {
    m[k] = beta * m[k] + (1 - beta) * g[k];
    v[k] = .999 * v[k] + .001 * g[k] * g[k];
    p[k] -= a * m[k] / (Math.sqrt(v[k]) * c + 1e-8);
  }
  g.fill(0);
};
// One step of D on real x and fake y, both [n, 2]. R1's gradient needs no second derivative of a ReLU, which is 0: it
// is one more pass forward, of the gradient in the input, through the same masks.
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
    let t = grad.map(v => { r1 += v * v / n; return v * o.r1 / n; });
    D.layers.forEach((l, j) => {
      outer(us[j], t, n, l);
      if (j + 1 < D.layers.length) t = masked(linear(t, n, l), h[j + 1]);
    });
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
  const S = d.side, T = 24, N = 44, n = d.batch, real = 250, few = 80;
  const A = ui.panel(S, S + T, data.alt), B = ui.panel(d.width, S + T, 'Modes reached, good samples and the value of the game');
  const z = Float64Array.from(floats(d.z)), shown = z.length / 2, paint = painter(N, N);
  const bar = ui.buttons(), choices = ui.buttons(), read = ui.read();
  const choice = (label, options, value, change) => {
    const id = ui.uid + '-' + label.replace(/\W/g, ''), e = make('select', {id}, ...options.map(([v, t]) => make('option', {value: v}, t)));
    e.value = value;
    e.addEventListener('change', guard(change || (() => ui.request())));
    choices.append(make('span', {style: 'white-space:nowrap'}, make('label', {for: id, style: 'margin-right:6px'}, label), e));
    return e;
  };
  let G, D, u, set, points, grid, counts, history, playing = false, broken = '', start = 0;
  const small = v => v > 0 && v < .01 ? v.toExponential(0).replace('-', '−') : fmt(v), last = a => a[a.length - 1], made = (x, m) => last(forward(G, x, m));
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
    grid = new Float64Array(2 * N * N);
    for (let k = 0; k < N * N; k++) { grid[2 * k] = set.view * (2 * (k % N + .5) / N - 1); grid[2 * k + 1] = set.view * (1 - 2 * (Math.floor(k / N) + .5) / N); }
    counts = {D: 0, G: 0}; history = []; broken = '';
    note();
  };
  // How the game stands, on points and noise that stay the same.
  const state = () => {
    const y = made(z, shown), a = last(forward(D, points, real)), f = last(forward(D, y, shown)), seen = new Set();
    let good = 0, value = 0, own = 0, other = 0;
    for (let k = 0; k < shown; k++) {
      let near = false;
      set.means.forEach((m, j) => { if (Math.hypot(m[0] - y[2 * k], m[1] - y[2 * k + 1]) <= 3 * set.std) { near = true; seen.add(j); } });
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
    if (!Number.isFinite(r.loss + (who === 'D' ? D : G).p[0])) { broken = 'The game broke off: its numbers are no longer finite. Start anew, with a lower rate.'; stop(); }
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
  const stop = () => { playing = false; if (play) play.textContent = 'Play'; };
  const tick = () => {
    if (!playing || !ui.root.isConnected) return;
    const end = performance.now() + d.budget;
    guard(() => { do round(); while (playing && performance.now() < end); })();
    if (playing) requestAnimationFrame(tick);
  };
  ui.button(bar, 'D step', guard(() => step('D')));
  ui.button(bar, 'G step', guard(() => step('G')));
  ui.button(bar, 'One round', guard(round));
  // Nothing moves by itself for those who ask for less motion.
  const play = matchMedia('(prefers-reduced-motion: reduce)').matches ? null
    : ui.button(bar, 'Play', () => { if (playing) stop(); else if (!broken) { playing = true; play.textContent = 'Stop'; tick(); } });
  ui.button(bar, '50 rounds', guard(() => { for (let k = 0; k < 50; k++) round(); }));
  ui.button(bar, 'Start anew', guard(() => { stop(); begin(); }));
  ui.button(bar, 'Other start', guard(() => { stop(); start++; begin(); }));
  const sets = choice('Data', d.sets.map((s, i) => [i, s.name]), 0, () => { stop(); begin(); });
  const objective = choice('G descends', [['non-saturating', '−log D(G(z))'], ['minimax', 'log(1 − D(G(z)))']], d.objective);
  const r1 = choice('R1', d.penalties.map(v => [v, v ? 'γ = ' + v : 'off']), d.r1);
  const ratio = choice('D : G steps', d.ratios.map(v => [v, v.replace(':', ' : ')]), d.ratio);
  const rate = choice('Rate', d.rates.map(v => [v, v]), d.rate);
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
    state: () => ({...state(), points, push: pushes(state()).push}), step, round, draws, sizes: s => { d.sizes = s; }, choose: (k, v) => { ({objective, r1, ratio, rate, sets})[k].value = v; }, history: () => history, begin,
    load: (a, b) => { [G, D] = d.sizes.map((s, i) => network(s, Float64Array.from(i ? b : a))); }, weights: () => [Array.from(G.p), Array.from(D.p)],
    draw: () => {
      const s = state(), {y} = s, land = last(forward(D, grid, N * N));
      const {push, mean} = pushes(s);
      A.show(g => {
        text(g, 'D(x): orange 0, blue 1', 2, 15, {bold: 1});
        g.imageSmoothingEnabled = false;
        paint(g, 0, T, S / N, k => tint(land[k]));
        clipped(g, [0, T, S, S], () => {
          for (let k = 0; k < real; k++) dot(g, X(points[2 * k]), Y(points[2 * k + 1]), 1.8, '#003f63');
          for (const [r, c] of [[3.6, '#fff'], [2.6, '#8f2d00']]) for (let k = 0; k < shown; k += 2) dot(g, X(y[2 * k]), Y(y[2 * k + 1]), r, c);
          for (let k = 0; k < few; k++) {
            const r = Math.hypot(push[2 * k], push[2 * k + 1]), l = 40 * r / (r + .5), a = -push[2 * k] / (r || 1), b = push[2 * k + 1] / (r || 1);
            const x = X(y[2 * k]), v = Y(y[2 * k + 1]), u = x + l * a, w = v + l * b, e = Math.min(5, l / 2);
            path(g, [[x, v], [u, w]], {stroke: INK, width: 1.2});
            path(g, [[u - e * (a + .5 * b), w - e * (b - .5 * a)], [u, w], [u - e * (a - .5 * b), w - e * (b + .5 * a)]], {stroke: INK, width: 1.2});
          }
        });
        const keys = [['#003f63', 'real'], ['#8f2d00', 'generated'], [INK, 'its push']];
        keys.forEach(([c, t], i) => { const x = S - 190 + [0, 46, 130][i]; dot(g, x, 11, 3, c); text(g, t, x + 7, 15); });
      });
      B.show(g => {
        const left = ['steps of D, of G', 'modes reached', 'good samples', 'V(D, G)', 'D of real, of generated', 'mean push, nats a unit'];
        const right = [s.D + ', ' + s.G, s.modes + ' of ' + s.of, fmt(100 * s.good, 0) + ' %', fmt(s.value), fmt(s.own) + ', ' + fmt(s.other), small(mean)];
        left.forEach((t, i) => { text(g, t, 2, 15 + 20 * i, {bold: i == 1}); text(g, right[i], d.width - 14, 15 + 20 * i, {align: 'right', bold: i == 1}); });
        chart(g, 158, 110, 'modes reached, over steps of D and G', s.of, 0, p => p[1], [[0, '0'], [s.of, s.of]]);
        chart(g, 318, 110, 'V(D, G); dashed: −log 4, at q = p and the best D', 0, -3, p => p[2], [[0, '0'], [-1, '−1'], [-2, '−2'], [-3, '−3']], -Math.log(4));
      });
      read.textContent = broken || `Start ${start + 1}: after ${s.D} steps of D and ${s.G} of G, ${s.modes} of ${s.of} modes are reached, and ${fmt(100 * s.good, 0)} % of the samples are good (within 3σ of a mode).`;
    }};
};
