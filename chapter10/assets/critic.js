// A critic on a line, trained in the page: a further part of the script in live.js, cut and joined as it says.

// == critic
// ---- the critic's rules; chapter10/wgan.py has the same with autograd
// Largest singular value s of w [o, i], with its vectors u [o] and v [i], by the power method from where it stood before.
const spectrum = l => {
  const {w, o, i} = l, unit = a => { const r = Math.hypot(...a) || 1; return a.map(t => t / r); };
  let v = l.v || unit(new Float64Array(i).fill(1).map((t, k) => t + k / i)), u, s = 0;
  for (let k = 0, before = -1; k < 300 && Math.abs(s - before) > 1e-15 * s; k++) {
    before = s;
    u = unit(times(v, w, 1, i, o));
    const t = times(u, turned(w, o, i), 1, o, i);
    s = Math.hypot(...t); v = unit(t);
  }
  return {s: s || 1, u, v};
};
// Spectral normalisation: `raw` is what Adam moves, and p what the critic runs on, each layer divided by its s.
const normalised = C => {
  C.p.set(C.raw);
  for (const l of C.layers) { Object.assign(l, spectrum(l)); for (let k = 0; k < l.w.length; k++) l.w[k] /= l.s; }
};
const bind = (C, lipschitz) => {
  if (lipschitz === 'spectral') { C.raw = C.raw || C.p.slice(); normalised(C); } else C.raw = null;
};
// One step on the real points x and the fake ones y, [n] both; `between` [n] lies on lines from one to the other.
const stepCritic = (C, x, y, between, o) => {
  const n = x.length, both = new Float64Array(2 * n), d = both.map((_, k) => (k < n ? -1 : 1) / n);
  both.set(x); both.set(y, n);
  const h = forward(C, both, 2 * n), f = h[h.length - 1], loss = f.reduce((t, v, k) => t + v * d[k], 0);
  let penalty = 0;
  backward(C, h, d, 2 * n, true);
  if (o.lipschitz === 'penalty' && o.penalty) {
    const e = forward(C, between, n), us = backward(C, e, new Float64Array(n).fill(1), n), slope = us.pop();
    through(C, e, us, slope.map(s => {
      const r = Math.abs(s) - 1;
      penalty += r * r / n;
      return 2 * o.penalty * r * Math.sign(s) / n;
    }), n);
  }
  if (C.raw) {
    for (const {w, gw, s, u, v} of C.layers) {
      const t = gw.reduce((a, g, k) => a + g * w[k], 0);
      for (let r = 0, k = 0; r < u.length; r++) for (let c = 0; c < v.length; c++, k++) gw[k] = (gw[k] - t * u[r] * v[c]) / s;
    }
    C.p.set(C.raw);
  }
  adam(C, o.lr, 0, .9);
  if (C.raw) { C.raw.set(C.p); normalised(C); }
  if (o.lipschitz === 'clipping') for (let k = 0; k < C.p.length; k++) C.p[k] = clamp(C.p[k], -o.clip, o.clip);
  return {loss, penalty};
};
// The best critic on a line: between two points its slope is the sign of G − F, the shares of fake and of real points on
// the left; the area between F and G is the Wasserstein distance. Returns that, and the corners [x, f].
const bestCritic = (x, y) => {
  const all = [...Array.from(x, v => [v, -1 / x.length]), ...Array.from(y, v => [v, 1 / y.length])].sort((a, b) => a[0] - b[0]);
  const corners = [[all[0][0], 0]];
  let w = 0, f = 0, gap = 0;
  for (let k = 0; k + 1 < all.length; k++) {
    gap += all[k][1];
    const step = all[k + 1][0] - all[k][0];
    w += Math.abs(gap) * step;
    f += (Math.abs(gap) > 1e-9 ? Math.sign(gap) : 0) * step;
    corners.push([all[k + 1][0], f]);
  }
  return {w, corners};
};

KINDS.critic = (d, ui) => {
  const A = ui.panel(520, 412, data.alt), B = ui.panel(268, 412, say("The critic’s estimate over its steps, beside the exact distance"));
  const R = d.reach, N = d.points, xs = Float64Array.from(range(-R, R, N)), real = Float64Array.from(floats(d.real)), first = Float64Array.from(floats(d.fakes)), n = real.length;
  const bar = ui.buttons(), choices = ui.buttons();
  let C, u, fakes, at, steps, history, broken, playing = false, start = 0;
  const guard = act => () => { try { act(); ui.request(); } catch (e) { stop(); fail(ui.root, e); } };
  const stop = () => { playing = false; if (play) play.textContent = say("Play"); };
  const last = a => a[a.length - 1], total = a => a.reduce((t, v) => t + v, 0), critic = x => last(forward(C, x, x.length));
  const slopes = x => last(backward(C, forward(C, x, x.length), new Float64Array(x.length).fill(1), x.length));
  const spreadOf = (x, m) => Math.sqrt(total(x.map(v => (v - m) ** 2)) / x.length);
  const show = () => { const m = total(fakes) / n; mean.set(m); spread.set(spreadOf(fakes, m)); at = [mean.value, spread.value]; };
  // The sliders are the fakes' mean and standard deviation: where one was moved, the points follow.
  const follow = () => {
    if (mean.value === at[0] && spread.value === at[1]) return;
    const m = total(fakes) / n, s = spreadOf(fakes, m), m1 = total(first) / n, s1 = spreadOf(first, m1) || 1;
    fakes = fakes.map((v, k) => clamp(mean.value + spread.value * (s > 1e-6 ? (v - m) / s : (first[k] - m1) / s1), -R, R));
    at = [mean.value, spread.value];
  };
  const begin = () => {
    u = random(d.seed + start);
    C = start ? fresh(d.sizes, u) : network(d.sizes, Float64Array.from(floats(d.start)));
    bind(C, rule.value);
    fakes = first.slice();
    steps = start ? 0 : d.steps; history = start ? [] : d.history.map(h => [...h]); broken = '';
    show();
    note();
  };
  const values = () => {
    follow();
    const a = critic(real), b = critic(fakes), best = bestCritic(real, fakes);
    return {best, steps, estimate: total(a) / n - total(b) / n, exact: best.w, centre: (total(a) + total(b)) / (2 * n)};
  };
  // On the whole line: f, its slope, and how steep it gets.
  const along = () => { const slope = slopes(xs); return {f: critic(xs), slope, steepest: slope.reduce((t, s) => Math.max(t, Math.abs(s)), 0)}; };
  // What weights within ±c allow: all of them c and every unit on.
  const bound = () => d.sizes.slice(1, -1).reduce((t, w) => t * w, 1) * clip.value ** (d.sizes.length - 1);
  const note = () => {
    const {estimate, exact} = values();
    if (history.length && last(history)[0] === steps) history.pop();
    history.push([steps, estimate, exact]);
    if (history.length > 1200) history = history.filter((_, k) => k % 2 === 0 || k + 1 === history.length);
  };
  const between = () => {
    const order = Array.from({length: n}, (_, k) => k);
    for (let k = n; k-- > 1;) { const j = Math.floor(u() * (k + 1)); [order[k], order[j]] = [order[j], order[k]]; }
    return real.map((v, k) => { const e = u(); return e * v + (1 - e) * fakes[order[k]]; });
  };
  const options = () => ({lipschitz: rule.value, penalty: penalty.value, clip: clip.value, lr: +rate.value});
  const step = lines => {
    if (broken) return;
    follow();
    const r = stepCritic(C, real, fakes, lines || between(), options());
    if (!Number.isFinite(r.loss + r.penalty + C.p[0])) { broken = say("The critic broke off: its numbers are no longer finite. Start anew."); stop(); }
    if (++steps % 5 === 0) note();
    return r;
  };
  const tick = () => {
    if (!playing || !ui.root.isConnected) return;
    const end = performance.now() + d.budget;
    guard(() => { let k = 0; do step(); while (playing && ++k < 5 && performance.now() < end); })();
    if (playing) requestAnimationFrame(tick);
  };
  ui.button(bar, say("1 step"), guard(() => step()));
  ui.button(bar, say("100 steps"), guard(() => { for (let k = 0; k < 100; k++) step(); }));
  // Nothing moves by itself for those who ask for less motion.
  const play = matchMedia('(prefers-reduced-motion: reduce)').matches ? null
    : ui.button(bar, say("Play"), () => { if (playing) stop(); else if (!broken) { playing = true; play.textContent = say("Stop"); tick(); } });
  ui.button(bar, say("Fakes take a step"), guard(() => {
    follow();
    const s = slopes(fakes);
    fakes = fakes.map((v, k) => clamp(v + d.push * s[k], -R, R));
    show();
    note();
  }));
  ui.button(bar, say("Start anew"), guard(() => { stop(); begin(); }));
  ui.button(bar, say("Other start"), guard(() => { stop(); start++; begin(); }));
  const rule = menu(ui, choices, say("Slope held by"), [['none', say("nothing")], ['clipping', say("clipping the weights")], ['penalty', say("a penalty")], ['spectral', say("spectral normalisation")]], d.lipschitz,
    guard(() => { bind(C, rule.value); note(); }));
  const rate = menu(ui, choices, say("Rate"), d.rates.map(v => [v, v]), d.rate);
  const mean = ui.slider({label: say("mean of the fakes"), min: -d.limits.mean, max: d.limits.mean, step: 'any', value: 0});
  const spread = ui.slider({label: say("their spread"), min: 0, max: d.limits.spread, step: 'any', value: 1});
  const penalty = ui.slider({label: say("λ, of the penalty"), min: 0, max: d.limits.penalty, step: .5, value: d.penalty, digits: 1});
  const clip = ui.slider({label: say("c, of clipping"), min: .01, max: d.limits.clip, step: .01, value: d.clip});
  const read = ui.read();
  read.setAttribute('aria-live', 'polite');
  A.c.classList.add('c10-drag');
  let held = null;
  on(A.c, 'pointerdown', e => { if (e.button) return; follow(); A.c.setPointerCapture(e.pointerId); held = [e.clientX, mean.value]; e.preventDefault(); });
  on(A.c, 'pointermove', e => {
    if (!held || !A.c.hasPointerCapture(e.pointerId)) return;
    mean.set(held[1] + (e.clientX - held[0]) * A.w / A.c.getBoundingClientRect().width / 250 * R);
    ui.request();
  });
  begin();

  const X = v => 260 + v / R * 250, Y = v => 140 - v * 20, V = v => 367 - v * 17.5;
  const chart = g => {
    const [x0, x1, y0, y1] = [34, 258, 166, 384], top = Math.max(2, Math.ceil(1.3 * history.reduce((t, h) => Math.max(t, h[2]), 0))), span = Math.max(200, steps);
    const U = t => x0 + t / span * (x1 - x0), W = v => y1 - clamp(v, 0, top) / top * (y1 - y0), tick = top > 5 ? 2 : 1;
    text(g, say("estimate over the critic’s steps"), 2, 144, {bold: 1});
    for (let t = 0; t <= top; t += tick) { path(g, [[x0, W(t)], [x1, W(t)]], {stroke: LINE}); text(g, fmt(t, 0), 29, W(t) + 4, {size: 11, color: SOFT, align: 'right'}); }
    path(g, [[x0, y0], [x0, y1], [x1, y1]], {stroke: INK});
    path(g, history.map(h => [U(h[0]), W(h[2])]), {stroke: INK, width: 1.5, dash: [5, 3]});
    path(g, history.map(h => [U(h[0]), W(h[1])]), {stroke: '#d55e00', width: 2});
    const h = last(history);
    path(g, [[U(h[0]) - 5, W(h[2])], [U(h[0]) + 5, W(h[2])]], {stroke: INK, width: 1.5});
    dot(g, U(h[0]), W(h[1]), 4, '#d55e00');
    text(g, '0', x0, y1 + 15, {size: 11, color: SOFT, align: 'center'});
    text(g, String(span), x1, y1 + 15, {size: 11, color: SOFT, align: 'right'});
  };
  return {
    values: () => { const {best, ...v} = values(), {f, slope, steepest} = along(); return {...v, steepest, f: [...f], slope: [...slope], corners: best.corners}; },
    step: (x, lines) => { if (x) fakes = Float64Array.from(x); if (x) show(); return step(lines && Float64Array.from(lines)); },
    weights: () => [...C.p], fakes: () => { follow(); return [...fakes]; }, load: p => { C = network(d.sizes, Float64Array.from(p)); bind(C, rule.value); steps = 0; history = []; note(); },
    best: (x, y) => bestCritic(x, y),
    draw: () => {
      note();
      const v = {...values(), ...along()};
      A.show(g => {
        const keys = [['#d55e00', say("critic f(x)"), 10], [GREEN, say("real"), 244], [BLUE, say("generated"), 302]];
        keys.forEach(([c, t, x]) => { box(g, [x, 12, 14, 4], c); text(g, t, x + 19, 18); });
        path(g, [[112, 14], [126, 14]], {stroke: INK, width: 1.5, dash: [3, 3]});
        text(g, say("the best f"), 131, 18);
        clipped(g, [10, 30, 500, 220], () => {
          for (const t of [-4, -2, 0, 2, 4]) path(g, [[10, Y(t)], [510, Y(t)]], {stroke: LINE});
          const c = v.best.corners, middle = x => { let k = c.findIndex(p => p[0] >= x); if (k < 1) return k ? last(c)[1] : c[0][1]; const [a, b] = [c[k - 1], c[k]]; return a[1] + (b[1] - a[1]) * (x - a[0]) / (b[0] - a[0] || 1); };
          const m = (total(real.map(middle)) + total(fakes.map(middle))) / (2 * n);
          path(g, [[X(-R), Y(c[0][1] - m)], ...c.map(p => [X(p[0]), Y(p[1] - m)]), [X(R), Y(last(c)[1] - m)]], {stroke: INK, width: 1.5, dash: [3, 3]});
          path(g, Array.from(v.f, (f, k) => [X(xs[k]), Y(clamp(f - v.centre, -99, 99))]), {stroke: '#d55e00', width: 2.5});
        });
        for (const t of [-4, -2, 0, 2, 4]) text(g, fmt(t, 0), 14, Y(t) - 3, {size: 11, color: SOFT, halo: 1});
        axis(g, d.ticks, X, 250, 10, 510);
        clipped(g, [5, 270, 510, 36], () => {
          g.globalAlpha = .6;
          for (const [x, y, colour] of [[real, 280, GREEN], [fakes, 295, BLUE]]) for (const p of x) dot(g, X(p), y, 4, colour);
          g.globalAlpha = 1;
        });
        text(g, say("its slope f′(x)"), 10, 324, {bold: 1});
        clipped(g, [10, 332, 500, 70], () => {
          for (const t of [-1, 0, 1]) path(g, [[10, V(t)], [510, V(t)]], t ? {stroke: INK, width: 1.5, dash: [3, 3]} : {stroke: LINE});
          path(g, Array.from(v.slope, (s, k) => [X(xs[k]), V(clamp(s, -9, 9))]), {stroke: '#d55e00', width: 2});
        });
        for (const t of [-1, 0, 1]) text(g, fmt(t, 0), 518, V(t) + 4, {size: 11, color: SOFT, align: 'right', halo: 1});
      });
      const any = say("any"), allowed = {none: any, clipping: say("{bound} (by c)", {bound: short(bound())}), penalty: penalty.value ? say("near 1") : any, spectral: '1'}[rule.value];
      const rows = [[say("critic’s steps"), String(steps)], [say("E f(real) − E f(generated)"), fmt(v.estimate, 3)], [say("exact distance W₁"), fmt(v.exact, 3)], [say("steepest |f′| drawn"), short(v.steepest)], [say("steepest allowed"), allowed]];
      B.show(g => {
        rows.forEach(([t, s], i) => { text(g, t, 2, 15 + 20 * i, {bold: i == 1}); text(g, s, 254, 15 + 20 * i, {align: 'right', bold: i == 1}); });
        chart(g);
      });
      const said = say("After {steps} steps the critic estimates {estimate}; the exact distance is {exact}; its slope reaches {steepest}.", {steps, estimate: fmt(v.estimate), exact: fmt(v.exact), steepest: short(v.steepest)});
      if (!playing) read.textContent = broken || said;
      penalty.input.disabled = rule.value !== 'penalty';
      clip.input.disabled = rule.value !== 'clipping';
      [mean, spread, penalty, clip].forEach(s => s.say(said));
    }};
};
