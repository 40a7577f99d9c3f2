// Live figures: this text becomes the body of a function of (data, css); see chapter10/live/page.py.
// Plain JavaScript, nothing from outside. page.py strips the indentation and whole-line comments, and of the parts
// headed `// ==`, here and in the files beside it, takes only those that name its kind of figure, `all` or `end`.
// == all
'use strict';
const doc = document, INK = '#1f2328', SOFT = '#59636e', LINE = '#d1d9e0', BLUE = '#0072b2', GREEN = '#009e73';
const FAMILY = 'system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif', TAU = 2 * Math.PI;
const fmt = (v, n = 2) => { const s = (+v).toFixed(n); return (+s === 0 ? s.replace('-', '') : s).replace('-', '−'); };
const sub = k => String(k).replace(/\d/g, c => '₀₁₂₃₄₅₆₇₈₉'[c]);
const clamp = (v, a, b) => Math.min(b, Math.max(a, v));
const bytes = s => Uint8Array.from(atob(s), c => c.charCodeAt(0));
const floats = s => new Float32Array(bytes(s).buffer);
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(TAU * Math.random());
const bell = (x, m, s) => Math.exp(-0.5 * ((x - m) / s) ** 2) / (s * Math.sqrt(TAU));
// A sentence in the reader's language, its values put in; the English one stands in the call, in double quotes, to be found there.
const say = (message, values = {}) => ((data.said || {})[message] || message).replace(/\{(\w+)\}/g, (place, name) => name in values ? values[name] : place);
const range = (a, b, n) => Array.from({length: n}, (_, i) => a + (b - a) * i / (n - 1));

const make = (tag, attrs = {}, ...kids) => {
  const e = doc.createElement(tag);
  for (const k in attrs) e.setAttribute(k, attrs[k]);
  e.append(...kids);
  return e;
};
// What goes wrong in answering to the hand is said where the reader looks.
const on = (e, type, act) => e.addEventListener(type, event => {
  try { act(event); } catch (error) { fail(event.currentTarget.closest('.c10'), error); }
});

// ---- drawing, in CSS pixels
const text = (g, s, x, y, o = {}) => {
  g.font = (o.bold ? '600 ' : '') + (o.size || 12) + 'px ' + FAMILY;
  g.textAlign = o.align || 'left';
  if (o.halo) { g.lineWidth = 4; g.lineJoin = 'round'; g.strokeStyle = '#fff'; g.strokeText(s, x, y); }
  g.fillStyle = o.color || INK;
  g.fillText(s, x, y);
};
const path = (g, pts, o) => {
  g.beginPath();
  pts.forEach((p, i) => i ? g.lineTo(p[0], p[1]) : g.moveTo(p[0], p[1]));
  if (o.fill) { g.fillStyle = o.fill; g.fill(); }
  if (o.stroke) {
    g.strokeStyle = o.stroke; g.lineWidth = o.width || 1; g.lineJoin = 'round';
    g.setLineDash(o.dash || []); g.stroke(); g.setLineDash([]);
  }
};
const dot = (g, x, y, r, fill, ring) => {
  g.beginPath(); g.arc(x, y, r, 0, TAU); g.fillStyle = fill; g.fill();
  if (ring) { g.strokeStyle = ring; g.lineWidth = 2; g.stroke(); }
};
const box = (g, [x, y, w, h], fill, stroke) => {
  if (fill) { g.fillStyle = fill; g.fillRect(x, y, w, h); }
  if (stroke) { g.strokeStyle = stroke; g.lineWidth = 1; g.strokeRect(x + .5, y + .5, w - 1, h - 1); }
};
const axis = (g, ticks, at, y, x0, x1) => {
  path(g, [[x0, y], [x1, y]], {stroke: INK});
  for (const t of ticks) {
    path(g, [[at(t), y], [at(t), y + 4]], {stroke: INK});
    text(g, fmt(t, 0), at(t), y + 17, {align: 'center', color: SOFT, size: 11});
  }
};
const clipped = (g, r, f) => { g.save(); g.beginPath(); g.rect(...r); g.clip(); f(); g.restore(); };

// ---- one figure: the parts that all kinds share
const KINDS = {};
const figure = (root, kind) => {
  const uid = data.id + Math.random().toString(36).slice(1, 8), stage = make('div', {class: 'c10-stage'});
  const controls = make('div', {class: 'c10-controls'}), panels = [];
  let busy = false, again = false, made;
  const draw = () => {
    try { made.draw(); } catch (e) { fail(root, e); }
  };
  const ui = {
    uid, root, stage, controls,
    // At once, but once a frame: what comes before the next frame waits for it.
    request: () => {
      if (busy) { again = true; return; }
      busy = true;
      draw();
      requestAnimationFrame(() => { busy = false; if (again) { again = false; ui.request(); } });
    },
    // Drawn on a hidden canvas and copied in one go, so that no half-drawn frame is ever seen.
    panel: (w, h, label, into = stage) => {
      const r = clamp(window.devicePixelRatio || 1, 1, 3), size = {width: Math.round(w * r), height: Math.round(h * r)};
      const c = make('canvas', {...size, role: 'img', 'aria-label': label, style: `width:${w}px;aspect-ratio:${w}/${h}`});
      const back = make('canvas', size), g = back.getContext('2d'), front = c.getContext('2d');
      g.scale(r, r);
      into.append(c);
      return {c, w, h, layer: back, show: f => { box(g, [0, 0, w, h], '#fff'); f(g); front.drawImage(back, 0, 0); }};
    },
    slider: (o, into = controls) => {
      const id = uid + '-' + into.getElementsByTagName('*').length, digits = o.digits ?? 2;
      const input = make('input', {type: 'range', id, min: o.min, max: o.max, step: o.step || 'any', value: o.value});
      const out = make('output', {for: id}), label = make('label', {for: id}, o.label);
      const s = {
        label, input, get value() { return +input.value; },
        set: v => { input.value = v; s.say(); },
        say: more => {
          const t = o.text ? o.text(+input.value) : fmt(input.value, digits);
          out.textContent = o.text && !o.out ? '' : t;
          input.setAttribute('aria-valuetext', t + (more ? '; ' + more : ''));
          input.style.setProperty('--c10-at', 100 * (input.value - input.min) / (input.max - input.min || 1) + '%');
        }};
      on(input, 'input', () => { s.say(); ui.request(); });
      into.append(make('div', {class: 'c10-row'}, label, input, out));
      s.say();
      return s;
    },
    buttons: () => { const b = make('div', {class: 'c10-buttons'}); controls.append(b); return b; },
    button: (into, label, act) => {
      const b = make('button', {type: 'button'}, label);
      on(b, 'click', act);
      into.append(b);
      return b;
    },
    read: (tag = 'p') => { const p = make(tag, {class: 'c10-read'}); controls.append(p); return p; }};
  // JupyterLab would take the keys as its own shortcuts; Ctrl+S and the like stay with it.
  const quiet = e => { if (!e.ctrlKey && !e.metaKey) e.stopPropagation(); };
  on(controls, 'keydown', quiet);
  controls.setAttribute('data-lm-suppress-shortcuts', 'true');
  made = kind(data, ui);
  const start = () => {
    made.draw();
    root.querySelectorAll('.c10-still,.c10-off').forEach(e => e.remove());
    root.append(stage, controls);
    if (data.hint) controls.append(make('p', {class: 'c10-hint'}, data.hint));
    root.ch10 = {...made, draw};
  };
  made.ready ? made.ready.then(start).catch(e => fail(root, e)) : start();
};
const fail = (root, e) => {
  let p = root.querySelector('.c10-error');
  if (!p) root.append(p = make('p', {class: 'c10-error', role: 'alert'}));
  p.textContent = say("This live figure stopped: {error}. Run the cell again.", {error: e && e.message || e});
  console.error(e);
};

// == decoder walk beta code translation
const ACT = {relu: v => v > 0 ? v : 0, tanh: Math.tanh, linear: v => v, sigmoid: v => 1 / (1 + Math.exp(-v))};
// == decoder walk beta
// ---- a decoder with int8 weights: y = scale · (W h) + bias, row by row
const network = d => {
  const layers = d.layers.map(l => ({w: new Int8Array(bytes(l.w).buffer), s: floats(l.s), b: floats(l.b), f: ACT[l.a]}));
  const keep = d.keep && new Uint16Array(bytes(d.keep).buffer);
  return z => {
    let h = z;
    for (const {w, s, b, f} of layers) {
      const y = new Float64Array(b.length), n = h.length;
      for (let r = 0, k = 0; r < y.length; r++) {
        let t = 0;
        for (let c = 0; c < n; c++, k++) t += w[k] * h[c];
        y[r] = f(t * s[r] + b[r]);
      }
      h = y;
    }
    if (!keep) return h;
    const out = new Float64Array(d.size);
    keep.forEach((p, i) => out[p] = h[i]);
    return out;
  };
};

// == decoder walk lab beta code translation
// A small picture of h×w values, scaled up with hard pixels.
const painter = (h, w, smooth = false) => {
  const c = make('canvas', {width: w, height: h}), g = c.getContext('2d', {willReadFrequently: true});
  const im = g.createImageData(w, h);
  return (to, x, y, k, colour) => {
    for (let i = 0, j = 0; colour && i < h * w; i++) {
      const p = colour(i);
      im.data[j++] = p[0]; im.data[j++] = p[1]; im.data[j++] = p[2]; im.data[j++] = 255;
    }
    if (colour) g.putImageData(im, 0, 0);
    to.imageSmoothingEnabled = smooth;
    to.drawImage(c, x, y, w * k, h * k);
  };
};

// == decoder walk beta code translation
const grey = v => { const t = Math.round(255 * clamp(v, 0, 1)); return [t, t, t]; };

// == decoder
// ---- the latent plane: codes, the prior's circles, a cross that can be dragged
const plane = (ui, d, c, into, move) => {
  const T = 24, p = ui.panel(d.side, d.side + T, c.name ? say("The latent plane of {name}", {name: c.name}) : say("The latent plane of the decoder"), into);
  const [[a0, a1], [b0, b1]] = d.limits, S = d.side, X = v => (v - a0) / (a1 - a0) * S, Y = v => T + (b1 - v) / (b1 - b0) * S;
  const codes = c.codes && floats(c.codes), labels = c.labels && bytes(c.labels), n = codes ? codes.length / 2 : 0;
  const still = make('canvas', {width: p.layer.width, height: p.layer.height}), g = still.getContext('2d');
  g.scale(still.width / p.w, still.width / p.w);
  box(g, [0, 0, p.w, p.h], '#fff');
  clipped(g, [0, T, S, S], () => {
    path(g, [[X(0), T], [X(0), T + S]], {stroke: LINE});
    path(g, [[0, Y(0)], [S, Y(0)]], {stroke: LINE});
    g.globalAlpha = .6;
    for (let i = 0; i < n; i++) dot(g, X(codes[2 * i]), Y(codes[2 * i + 1]), 1.8, labels ? d.colours[labels[i] % d.colours.length] : BLUE);
    g.globalAlpha = 1;
    for (const r of [1, 2]) path(g, range(0, TAU, 90).map(t => [X(r * Math.cos(t)), Y(r * Math.sin(t))]), {stroke: SOFT, dash: [3, 4]});
    for (const [s, x, y] of c.names || []) text(g, s, X(x), Y(y) + 5, {bold: 1, size: 14, align: 'center', halo: 1});
  });
  text(g, c.title, 2, 15, {bold: 1});
  text(g, fmt(a0, 0), 3, Y(0) - 4, {size: 10, color: SOFT, halo: 1});
  text(g, fmt(a1, 0), S - 3, Y(0) - 4, {size: 10, color: SOFT, align: 'right', halo: 1});
  text(g, 'z₁', S - 4, Y(0) + 14, {align: 'right', color: SOFT, halo: 1});
  text(g, 'z₂', X(0) + 5, T + 13, {color: SOFT, halo: 1});
  const drag = e => {
    const r = p.c.getBoundingClientRect(), k = p.w / r.width;
    move([a0 + (e.clientX - r.left) * k / S * (a1 - a0), b1 - ((e.clientY - r.top) * k - T) / S * (b1 - b0)]);
  };
  p.c.classList.add('c10-drag');
  on(p.c, 'pointerdown', e => { if (e.button) return; p.c.setPointerCapture(e.pointerId); drag(e); e.preventDefault(); });
  on(p.c, 'pointermove', e => { if (p.c.hasPointerCapture(e.pointerId)) drag(e); });
  return {
    near: z => {
      let best = Infinity, at = -1;
      for (let i = 0; i < n; i++) {
        const q = (codes[2 * i] - z[0]) ** 2 + (codes[2 * i + 1] - z[1]) ** 2;
        if (q < best) { best = q; at = i; }
      }
      return at < 0 ? null : {distance: Math.sqrt(best), label: labels && d.names[labels[at]]};
    },
    draw: (z, ways, chosen) => p.show(g => {
      g.drawImage(still, 0, 0, p.w, p.h);
      clipped(g, [0, T, S, S], () => {
        if (ways) {
          ways.forEach((f, i) => path(g, range(0, 1, 41).map(t => f(t)).map(q => [X(q[0]), Y(q[1])]), {stroke: i ? '#d55e00' : BLUE, width: chosen === i + 1 ? 3 : 1.5}));
          for (const t of [0, 1]) { const q = ways[0](t); dot(g, X(q[0]), Y(q[1]), 4, '#fff'); dot(g, X(q[0]), Y(q[1]), 3, SOFT); }
        }
        path(g, [[X(z[0]), T], [X(z[0]), T + S]], {stroke: INK, dash: [2, 3]});
        path(g, [[0, Y(z[1])], [S, Y(z[1])]], {stroke: INK, dash: [2, 3]});
        dot(g, X(z[0]), Y(z[1]), 7, '#fff'); dot(g, X(z[0]), Y(z[1]), 5, INK);
      });
    })};
};

KINDS.decoder = (d, ui) => {
  const [h, w] = d.shape, k = Math.max(1, Math.floor(d.side / Math.max(h, w))), paint = painter(h, w), sliders = [];
  const put = v => { v.forEach((x, i) => sliders[i].set(clamp(x, ...d.limits[i]))); ui.request(); };
  const move = v => { if (way) way.pick.value = 0; put(v); };
  let way = null;
  const parts = d.decoders.map(c => {
    const group = make('div', {class: 'c10-group'});
    ui.stage.append(group);
    const map = d.map && plane(ui, d, c, group, move);
    if (data.wire) c.pixels = pixels(c.first);
    return {map, c, net: data.wire ? () => c.pixels : network(c.net), p: ui.panel(d.side, d.side + 24, c.name ? say("Picture decoded by {name}", {name: c.name}) : say("Picture decoded by the decoder"), group)};
  });
  d.dims.forEach((j, i) => sliders.push(ui.slider({label: 'z' + sub(j + 1), min: d.limits[i][0], max: d.limits[i][1], step: .01, value: d.start[i]})));
  const bar = ui.buttons();
  if (d.path) {
    // Both ways from a to b: the chord, and slerp, which turns from one to the other.
    const [a, b] = d.path, mix = (p, q) => a.map((x, i) => p * x + q * b[i]), turn = Math.acos(clamp((a[0] * b[0] + a[1] * b[1]) / Math.hypot(...a) / Math.hypot(...b), -1, 1));
    const ways = [t => mix(1 - t, t), t => mix(Math.sin((1 - t) * turn) / Math.sin(turn), Math.sin(t * turn) / Math.sin(turn))];
    const id = ui.uid + '-way', pick = make('select', {id}, ...[say("by hand"), say("straight"), say("spherical")].map((t, i) => make('option', {value: i}, t)));
    const t = ui.slider({label: say("t, along the way"), min: 0, max: 1, step: .01, value: 0});
    const go = () => { if (!+pick.value) pick.value = 1; put(ways[pick.value - 1](t.value)); };
    bar.append(make('label', {for: id}, say("Way from one end to the other")), pick);
    on(pick, 'change', () => { if (+pick.value) go(); else ui.request(); });
    on(t.input, 'input', go);
    sliders.forEach(s => on(s.input, 'input', () => { pick.value = 0; }));
    way = {ways, pick, t};
  }
  const read = ui.read();
  ui.button(bar, say("Draw z from N(0, I)"), () => move(d.dims.map(normal)));
  ui.button(bar, say("Back to the start"), () => move(d.start));
  const full = v => { const z = d.base.slice(); d.dims.forEach((j, i) => z[j] = v[i]); return z; };
  const link = data.wire && wired(ui, {get: () => sliders.map(s => s.value), set: v => v.forEach((x, i) => sliders[i].set(x))}, picture => {
    const all = tiles(picture, h, w);
    parts.forEach((q, i) => { q.c.pixels = all[i]; });
    ui.request();
  });
  return {
    ready: link && link.ready,
    decode: (i, z) => Array.from(parts[i].net(z)),
    draw: () => {
      const v = sliders.map(s => s.value), notes = [];
      if (link) link.ask();
      for (const {map, c, net, p} of parts) {
        const y = net(full(v));
        p.show(g => {
          text(g, c.decoded, 2, 15, {bold: 1});
          paint(g, (d.side - w * k) / 2, 24 + (d.side - h * k) / 2, k, i => grey(d.invert ? 1 - y[i] : y[i]));
        });
        if (!map) continue;
        map.draw(v, way && way.ways, way && +way.pick.value);
        const q = map.near(v);
        if (!q) continue;
        const near = {label: q.label, distance: fmt(q.distance)}, note = q.label == null ? say("the nearest code is {distance} away", near) : say("the nearest code, a “{label}”, is {distance} away", near);
        notes.push(c.name ? say("{name}: {note}", {name: c.name, note}) : note);
      }
      if (way) {
        const name = way.pick.options[way.pick.value].textContent, at = `|z| = ${fmt(Math.hypot(...v))}`;
        notes.push(+way.pick.value ? say("{name} way, t = {t}: {at}", {name, t: fmt(way.t.value), at}) : at);
        way.t.say(notes[notes.length - 1]);
      }
      read.textContent = notes.join(' · ');
      sliders.forEach(s => s.say(notes.join('; ')));
    }};
};

// == walk
KINDS.walk = (d, ui) => {
  const [h, w] = d.shape, k = d.scale, n = d.codes.length, paint = painter(h, w), net = data.wire ? null : network(d.net);
  let first = data.wire ? d.first[0].map(pixels) : d.codes.map(z => net(z)), second = data.wire && d.first[1].map(pixels);
  const p = ui.panel(d.width, d.height, data.alt), bar = ui.buttons(), id = ui.uid + '-dim';
  const pick = make('select', {id}, ...d.dims.map((j, i) => make('option', {value: i}, d.names[i])));
  bar.append(make('label', {for: id}, say("Dimension")), pick);
  const s = ui.slider({label: say("its value"), min: d.limits[0], max: d.limits[1], step: .02, value: d.value}), read = ui.read();
  pick.value = d.start;
  on(pick, 'change', ui.request);
  ui.button(bar, say("Next"), () => { pick.value = (+pick.value + 1) % d.dims.length; ui.request(); });
  const link = data.wire && wired(ui, {get: () => [+pick.value, s.value], set: v => { pick.value = v[0]; s.set(v[1]); }}, picture => {
    const all = tiles(picture, h, w);
    first = all.slice(0, n); second = all.slice(n);
    ui.request();
  });
  return {
    ready: link && link.ready,
    decode: z => Array.from(net(z)),
    draw: () => {
      const j = d.dims[pick.value], v = s.value, name = 'z' + sub(j + 1);
      let moved = 0;
      if (link) link.ask();
      s.label.textContent = say("value of {name}", {name});
      p.show(g => {
        [say("as encoded"), name + ' = ' + fmt(v), say("change")].forEach((t, r) => text(g, t, 4, r * (h * k + 8) + h * k / 2 + 8, {bold: r == 1}));
        d.codes.forEach((z, i) => {
          const c = z.slice(), a = first[i], x = d.left + i * (w * k + 8);
          c[j] = v;
          const y = net ? net(c) : second[i], ink = d.invert ? 1 : 0;
          paint(g, x, 4, k, q => grey(Math.abs(ink - a[q])));
          paint(g, x, 12 + h * k, k, q => grey(Math.abs(ink - y[q])));
          // more ink blue, less ink orange, on white
          paint(g, x, 20 + 2 * h * k, k, q => { const t = y[q] - a[q], u = Math.min(1, Math.abs(t)); moved += u; return t > 0 ? [255 - 255 * u, 255 - 141 * u, 255 - 77 * u] : [255 - 42 * u, 255 - 161 * u, 255 - 255 * u]; });
        });
      });
      const note = say("{changed} of {count} pixels’ worth of ink changed per image", {changed: fmt(moved / n, 1), count: h * w});
      read.textContent = note;
      s.say(note);
    }};
};

// == elbo
KINDS.elbo = (d, ui) => {
  const A = ui.panel(400, 290, data.alt), B = ui.panel(388, 290, say("The ELBO and the gap as bars that meet at log p(x)"));
  const sl = (label, l, value) => ui.slider({label, min: l[0], max: l[1], step: .01, value});
  const mu = sl(say("μ, mean of q"), d.limits.mu, d.mu), ls = sl(say("log σ of q"), d.limits.log_sigma, d.log_sigma), x = sl(say("x, observed"), d.limits.x, d.x);
  const {w, b, s} = d, post = xv => { const v = 1 / (1 + w * w / (s * s)); return [v * w * (xv - b) / (s * s), Math.sqrt(v)]; };
  const values = () => {
    const m = mu.value, g = Math.exp(ls.value), o = x.value, [pm, ps] = post(o), v = w * w + s * s;
    return {mu: m, sigma: g, x: o, pm, ps, evidence: -.5 * (Math.log(TAU * v) + (o - b) ** 2 / v),
      reconstruction: -.5 * Math.log(TAU * s * s) - ((o - b - w * m) ** 2 + w * w * g * g) / (2 * s * s),
      kl: .5 * (m * m + g * g - 1) - Math.log(g), gap: Math.log(ps / g) + (g * g + (m - pm) ** 2) / (2 * ps * ps) - .5};
  };
  const bar = ui.buttons(), read = ui.read();
  const to = (m, g) => { mu.set(m); ls.set(Math.log(g)); ui.request(); };
  ui.button(bar, say("Set q to the true posterior"), () => to(...post(x.value)));
  ui.button(bar, say("Set q to the prior"), () => to(0, 1));
  const X = v => 12 + (v + 4) / 8 * 376, Y = v => 250 - v / d.top * 190, zs = range(-4, 4, 241);
  const lo = d.axis[0], hi = d.axis[1], N = v => 14 + (clamp(v, lo, hi) - lo) / (hi - lo) * 360;
  const key = (c, t) => [make('span', {class: 'c10-key', style: 'background:' + c}), t];
  return {
    values,
    draw: () => {
      const v = values(), elbo = v.reconstruction - v.kl, cut = a => Math.round(a * 1000) / 1000;
      // KL and gap are shown as differences of the other numbers as shown, so that the sums hold to the last digit.
      const e = fmt(v.evidence, 3), l = fmt(elbo, 3), kl = fmt(cut(elbo) - cut(v.reconstruction), 3), gap = fmt(cut(v.evidence) - cut(elbo), 3);
      A.show(g => {
        [['#6b7280', say("prior p(z)"), 12], [GREEN, say("true posterior p(z|x)"), 100], [BLUE, say("your q(z)"), 262]].forEach(([c, t, at]) => { box(g, [at, 12, 14, 4], c); text(g, t, at + 19, 18); });
        clipped(g, [0, 26, 400, 225], () => {
          const curve = (m, q, o) => { const c = zs.map(z => [X(z), Y(bell(z, m, q))]); path(g, [[X(-4), 250], ...c, [X(4), 250]], {fill: o.fill}); path(g, c, o); };
          curve(0, 1, {stroke: '#6b7280', width: 1.5, dash: [5, 4], fill: 'rgba(0,0,0,0)'});
          curve(v.pm, v.ps, {stroke: GREEN, width: 2, fill: 'rgba(0,158,115,.22)'});
          curve(v.mu, v.sigma, {stroke: BLUE, width: 2.5, fill: 'rgba(0,114,178,.16)'});
        });
        axis(g, [-4, -3, -2, -1, 0, 1, 2, 3, 4], X, 250, 8, 392);
        text(g, 'z', 388, 284, {align: 'right', color: SOFT});
      });
      B.show(g => {
        const rows = [[say("reconstruction") + '  E[log p(x|z)]', fmt(v.reconstruction, 3), 0, v.reconstruction, '#e69f00'], [say("− KL(q ‖ prior)"), kl, v.reconstruction, elbo, '#cc79a7'],
          ['= ELBO', l, 0, elbo, BLUE], [say("+ gap  KL(q ‖ p(z|x))"), gap, elbo, elbo + v.gap, '#d55e00']];
        path(g, [[N(0), 30], [N(0), 250]], {stroke: LINE});
        rows.forEach(([t, n, p, q, c], i) => {
          const y = 36 + 54 * i, l = Math.min(p, q), r = Math.max(p, q), out = l < lo;
          box(g, [N(l), y + 18, Math.max(1.5, N(r) - N(l)), 16], c);
          if (out) path(g, [[4, y + 26], [14, y + 18], [14, y + 34]], {fill: c});
          text(g, t, 14, y + 11, {bold: i > 1, halo: 1});
          text(g, n, 374, y + 11, {align: 'right', bold: i > 1, halo: 1});
        });
        path(g, [[N(v.evidence), 22], [N(v.evidence), 250]], {stroke: INK, width: 1.5, dash: [5, 3]});
        text(g, 'log p(x) = ' + e, clamp(N(v.evidence), 70, 320), 17, {bold: 1, align: 'center'});
        axis(g, d.ticks, N, 250, 14, 374);
        text(g, 'nats', 374, 284, {align: 'right', color: SOFT});
      });
      read.replaceChildren(...key('currentColor', `log p(x) ${e}  =  `), ...key(BLUE, `ELBO ${l}  +  `), ...key('#d55e00', say("gap {gap} nats", {gap})));
      const note = say("ELBO {elbo}, gap {gap}, log p(x) {evidence} nats", {elbo: l, gap, evidence: e});
      [mu, ls, x].forEach(q => q.say(note));
    }};
};

// == paths
KINDS.paths = (d, ui) => {
  const fixed = Array.from(floats(d.eps)), k = d.k, A = ui.panel(520, 320, data.alt), B = ui.panel(268, 320, say("The mean of f as μ moves, and its slope"));
  const sl = (label, l, value) => ui.slider({label, min: l[0], max: l[1], step: .01, value});
  const mu = sl('μ', d.limits.mu, d.mu), sg = sl('σ', d.limits.sigma, d.sigma), bar = ui.buttons(), table = ui.read('table');
  const fresh = make('input', {type: 'checkbox'});
  bar.append(make('label', {}, fresh, say("new noise ε at every move")));
  let eps = fixed, trail = [], last = sg.value;
  on(fresh, 'change', () => { trail = []; ui.request(); });
  const cells = [say("mean of f(z)"), say("its slope in μ"), say("its slope in σ")].map(t => [make('th', {scope: 'row'}, t), make('td'), make('td')]);
  table.append(make('thead', {}, make('tr', {}, make('td'), make('th', {scope: 'col'}, say("along the {count} paths", {count: fixed.length})), make('th', {scope: 'col'}, say("exact, over all ε")))),
    make('tbody', {}, ...cells.map(r => make('tr', {}, ...r))));
  const mean = f => eps.reduce((t, e) => t + f(e), 0) / eps.length;
  const values = () => {
    const m = mu.value, s = sg.value;
    return {mu: m, sigma: s, f: mean(e => (m + s * e - k) ** 2), dmu: mean(e => 2 * (m + s * e - k)), dsigma: mean(e => 2 * (m + s * e - k) * e),
      exact: [(m - k) ** 2 + s * s, 2 * (m - k), 2 * s]};
  };
  const R = d.reach, X = v => 260 + v / R * 250, up = 92, low = 196, H = 72;
  const [m0, m1] = d.limits.mu, U = v => 34 + (v - m0) / (m1 - m0) * 222, V = v => 282 - v / d.top * 236;
  return {
    values,
    draw: () => {
      if (fresh.checked) eps = fixed.map(normal); else eps = fixed;
      if (sg.value !== last) { trail = []; last = sg.value; }
      const v = values(), m = v.mu, s = v.sigma, xs = range(-R, R, 301);
      trail.push([m, v.f]);
      if (trail.length > 200) trail.shift();
      A.show(g => {
        const curve = (y, f, c, fill) => { const q = xs.map(z => [X(z), f(z)]); path(g, [[X(-R), y], ...q, [X(R), y]], {fill}); path(g, q, {stroke: c, width: 2}); };
        curve(up, z => up - bell(z, 0, 1) * H * 1.5, '#6b7280', 'rgba(107,114,128,.15)');
        curve(low, z => low + bell(z, m, s) * H, BLUE, 'rgba(0,114,178,.15)');
        eps.forEach(e => path(g, [[X(e), up], [X(m + s * e), low]], {stroke: 'rgba(0,114,178,.33)'}));
        path(g, [[X(k), low - 16], [X(k), low + 92]], {stroke: '#d55e00', width: 2, dash: [5, 3]});
        path(g, [[X(-R), up], [X(R), up]], {stroke: INK});
        path(g, [[X(-R), low], [X(R), low]], {stroke: INK});
        eps.forEach(e => { dot(g, X(e), up, 3.2, '#4b5563'); dot(g, X(m + s * e), low, 3.2, BLUE); });
        text(g, fresh.checked ? say("ε ~ N(0, 1), drawn anew") : say("ε ~ N(0, 1), drawn once"), 10, 22, {bold: 1});
        text(g, `z = μ + σ·ε = ${fmt(m)} + ${fmt(s)}·ε`, 10, 284, {bold: 1, color: BLUE, halo: 1});
        text(g, 'k = ' + fmt(k, 1), X(k) + 5, low + 62, {color: '#b34700', bold: 1, halo: 1});
        axis(g, d.ticks, X, 296, 10, 510);
      });
      B.show(g => {
        text(g, say("mean of f(z)") + ' = (z − k)²', 10, 22, {bold: 1});
        axis(g, d.mu_ticks, U, 282, 34, 256);
        path(g, [[34, 40], [34, 282]], {stroke: INK});
        for (const t of d.f_ticks) text(g, fmt(t, 0), 29, V(t) + 4, {size: 11, color: SOFT, align: 'right'});
        text(g, 'μ', 256, 313, {align: 'right', color: SOFT});
        clipped(g, [34, 30, 226, 252], () => {
          const e1 = mean(e => s * e), e2 = mean(e => s * s * e * e);
          if (!fresh.checked) path(g, range(m0, m1, 80).map(t => [U(t), V((t - k) ** 2 + 2 * (t - k) * e1 + e2)]), {stroke: SOFT, width: 1.5});
          trail.forEach(t => dot(g, U(t[0]), V(t[1]), 2, 'rgba(0,114,178,.5)'));
          path(g, [-.7, .7].map(t => [U(m + t), V(v.f + t * v.dmu)]), {stroke: '#d55e00', width: 3});
          dot(g, U(m), V(v.f), 5, BLUE, '#fff');
        });
      });
      const got = [v.f, v.dmu, v.dsigma];
      cells.forEach((c, i) => { c[1].textContent = fmt(got[i], 3); c[2].textContent = fmt(v.exact[i], 3); });
      const note = say("mean of f {mean}, slope in μ {mu}, slope in σ {sigma}", {mean: fmt(v.f), mu: fmt(v.dmu), sigma: fmt(v.dsigma)});
      [mu, sg].forEach(q => q.say(note));
    }};
};

// == frames
// ---- a chart beside the frames: the moment of the one that is shown is marked on its curves
const brief = v => { const a = Math.abs(v), s = fmt(v, a >= 100 ? 0 : a >= 10 ? 1 : 2); return s.includes('.') ? s.replace(/\.?0+$/, '') : s; };
const chart = (g, c, y0, height, [width, left, top, below], i) => {
  const right = width - 14, low = y0 + height - below, high = y0 + top;
  const X = t => left + t / (c.end || 1) * (right - left), Y = v => low - (v - c.low) / (c.high - c.low) * (low - high);
  text(g, c.title, 4, y0 + 14, {bold: 1});
  for (const v of c.ticks) {
    path(g, [[left, Y(v)], [right, Y(v)]], {stroke: LINE});
    text(g, brief(v), left - 5, Y(v) + 4, {size: 11, color: SOFT, align: 'right'});
  }
  path(g, [[left, low], [right, low]], {stroke: INK});
  text(g, '0', left, low + 15, {size: 11, color: SOFT, align: 'center'});
  text(g, Math.round(c.end).toLocaleString('en-US') + ' ' + c.axis, right, low + 15, {size: 11, color: SOFT, align: 'right'});
  c.lines.forEach(([name, colour, values], k) => {
    path(g, values.map((v, j) => [X(c.times[j]), Y(v)]), {stroke: colour, width: 1.8});
    box(g, [4 + 100 * k, y0 + 23, 10, 10], colour);
    text(g, name + ' ' + brief(c.now[k][i]), 18 + 100 * k, y0 + 32);
  });
  const x = X(c.moments[i]);
  path(g, [[x, high], [x, low]], {stroke: INK, width: 1.2, dash: [4, 3]});
  c.lines.forEach(([, colour], k) => dot(g, x, Y(c.now[k][i]), 4, colour));
};
KINDS.frames = (d, ui) => {
  const p = ui.panel(d.width, d.height, data.alt), image = new Image(), caption = i => d.captions[i] || say("{number} of {count}", {number: i + 1, count: d.count});
  const q = d.charts.length && ui.panel(d.chart[0], d.tall, say("The curves, with the moment marked"));
  const s = ui.slider({label: d.name, min: 0, max: d.count - 1, step: 1, value: d.start, text: caption}), read = ui.read();
  let timer = 0;
  // Nothing moves by itself for those who ask for less motion.
  if (d.play && !matchMedia('(prefers-reduced-motion: reduce)').matches) {
    const b = ui.button(ui.buttons(), say("Play"), () => {
      const go = !timer;
      clearInterval(timer); timer = 0;
      b.textContent = go ? say("Stop") : say("Play");
      if (go) timer = setInterval(() => {
        if (!ui.root.isConnected) return clearInterval(timer);
        s.set((s.value + 1) % d.count); ui.request();
      }, 1000 / d.play);
    });
  }
  return {
    ready: new Promise((yes, no) => { image.onload = yes; image.onerror = () => no(new Error(say("its stored frames cannot be read"))); image.src = d.sprite; }),
    draw: () => {
      const i = s.value, c = Math.floor(i / d.rows), r = i % d.rows, [fw, fh] = d.frame;
      p.show(g => {
        g.imageSmoothingEnabled = d.smooth;
        for (let t = 0; t < d.tiles; t++) {
          const x = t * (d.tile * d.scale + 8);
          g.drawImage(image, c * fw + t * d.tile, r * fh, d.tile, fh, x, 0, d.tile * d.scale, fh * d.scale);
          if (d.labels) text(g, d.labels[t], x + d.tile * d.scale / 2, d.height - 8, {align: 'center'});
        }
      });
      if (q) {
        q.show(g => d.charts.forEach((c, k) => chart(g, c, k * d.tall / d.charts.length, d.tall / d.charts.length, d.chart, i)));
        s.say(d.charts.map(c => c.lines.map(([n], k) => n + ' ' + brief(c.now[k][i])).join(', ')).join('; '));
        q.c.setAttribute('aria-label', d.charts.map(c => c.title + ': ' + c.lines.map(([n], k) => n + ' ' + brief(c.now[k][i])).join(', ')).join('; '));
      } else s.say();
      read.textContent = caption(i);
    }};
};

// == end
if (!doc.getElementById(data.css)) doc.head.append(make('style', {id: data.css}, css));
doc.querySelectorAll(`[data-ch10="${data.id}"]:not([data-ready])`).forEach(root => {
  root.dataset.ready = 1;
  try { figure(root, KINDS[data.kind]); } catch (e) { fail(root, e); }
});
