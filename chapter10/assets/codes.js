// A map of codes that the reader changes: a further part of the script in live.js, cut and joined as it says.

// == code translation
// ---- a network of maps with int8 weights: scale · (W * h) + bias, channel by channel
// r² channels of r×r pixels, or the way back: channel r²·c + r·a + b and pixel (r·y + a, r·x + b) are the same.
const shuffled = (h, channels, R, C, r, back) => {
  const y = new Float64Array(h.length), columns = C * r;
  for (let o = 0, k = 0; o < channels * r * r; o++) {
    const start = Math.floor(o / (r * r)) * R * r * columns + Math.floor(o / r) % r * columns + o % r;
    for (let e = 0; e < R; e++) for (let x = 0; x < C; x++, k++) { const z = start + e * r * columns + x * r; if (back) y[k] = h[z]; else y[z] = h[k]; }
  }
  return y;
};
// Maps with p more places on each side, as in a mirror that stands on the edge.
const mirrored = (h, channels, R, C, p) => {
  const wide = C + 2 * p, y = new Float64Array(channels * (R + 2 * p) * wide), at = (i, n) => i < 0 ? -i : i < n ? i : 2 * n - 2 - i;
  for (let c = 0, k = 0; c < channels; c++) for (let e = -p; e < R + p; e++) for (let x = -p; x < C + p; x++) y[k++] = h[c * R * C + at(e, R) * C + at(x, C)];
  return y;
};
// The commonest case at twice the speed: 3×3 with stride 1 on maps that have their edges already, added to y.
const threes = (y, h, w, outs, ins, R, C) => {
  const columns = C + 2;
  for (let o = 0, k = 0; o < outs; o++) for (let i = 0; i < ins; i++, k += 9) {
    const a = w[k], b = w[k + 1], c = w[k + 2], d = w[k + 3], e = w[k + 4], f = w[k + 5], p = w[k + 6], q = w[k + 7], r = w[k + 8];
    for (let row = 0, to = o * R * C; row < R; row++) {
      let u = (i * (R + 2) + row) * columns + 2, v = u + columns, z = v + columns;
      // Two of the three columns are the ones of the place before: each number is read once.
      let u0 = h[u - 2], u1 = h[u - 1], v0 = h[v - 2], v1 = h[v - 1], z0 = h[z - 2], z1 = h[z - 1];
      for (let x = 0; x < C; x++, u++, v++, z++, to++) {
        const u2 = h[u], v2 = h[v], z2 = h[z];
        y[to] += a * u0 + b * u1 + c * u2 + d * v0 + e * v1 + f * v2 + p * z0 + q * z1 + r * z2;
        u0 = u1; u1 = u2; v0 = v1; v1 = v2; z0 = z1; z1 = z2;
      }
    }
  }
};
const convolutions = layers => {
  const made = layers.map(l => ({...l, w: new Int8Array(bytes(l.w).buffer), s: floats(l.s), b: floats(l.b), f: ACT[l.a]}));
  return (h, rows, columns) => {
    const given = [];
    for (const {t, shape: [outs, ins, K], w, s, b, f, stride, pad: wide, shuffle: r, unshuffle: v, mirror, norm, skip} of made) {
      let pad = wide;
      given.push(h);
      if (v > 1) { rows /= v; columns /= v; h = shuffled(h, ins / (v * v), rows, columns, v, true); }
      if (mirror) { h = mirrored(h, ins, rows, columns, pad); rows += 2 * pad; columns += 2 * pad; pad = 0; }
      const after = n => t ? (n - 1) * stride + K - 2 * pad : Math.floor((n + 2 * pad - K) / stride) + 1;
      const R = after(rows), C = after(columns), y = new Float64Array(outs * R * C);
      // Place q of the kernel joins a of the coarse map to a·stride + q − pad of the fine one, which is what a
      // convolution takes and what a transposed one gives.
      const [r1, c1, r2, c2] = t ? [rows, columns, R, C] : [R, C, rows, columns];
      const first = q => Math.max(0, Math.ceil((pad - q) / stride)), last = (q, n, m) => Math.min(n - 1, Math.floor((m - 1 + pad - q) / stride));
      const quick = !t && K === 3 && stride === 1 && !pad;
      if (quick) threes(y, h, w, outs, ins, R, C);
      for (let o = 0, k = 0; o < outs; o++) {
        for (let i = 0; i < ins && !quick; i++) {
          const coarse = (t ? i : o) * r1 * c1, fine = (t ? o : i) * r2 * c2;
          for (let q = 0; q < K; q++) for (let p = 0; p < K; p++, k++) {
            const v = w[k], x0 = first(p), x1 = last(p, c1, c2), y1 = last(q, r1, r2);
            for (let a = first(q); a <= y1; a++) {
              let e = coarse + a * c1 + x0, z = fine + (a * stride + q - pad) * c2 + x0 * stride + p - pad;
              if (t) for (let x = x0; x <= x1; x++, e++, z += stride) y[z] += v * h[e];
              else for (let x = x0; x <= x1; x++, e++, z += stride) y[e] += v * h[z];
            }
          }
        }
        const begin = o * R * C, end = begin + R * C;
        let m = 0, scale = s[o], bias = b[o];
        if (norm) {
          let q = 0;
          for (let e = begin; e < end; e++) m += y[e];
          m /= R * C;
          for (let e = begin; e < end; e++) { const v = y[e] - m; q += v * v; }
          scale /= Math.sqrt(q / (R * C) * scale * scale + 1e-5); bias = 0;
        }
        bias -= m * scale;
        if (f === ACT.relu) for (let e = begin; e < end; e++) { const v = y[e] * scale + bias; y[e] = v > 0 ? v : 0; }
        else for (let e = begin; e < end; e++) y[e] = f(y[e] * scale + bias);
      }
      h = r < 2 ? y : shuffled(y, outs / (r * r), R, C, r);
      rows = R * r; columns = C * r;
      if (skip) { const x = given[given.length - skip]; for (let e = 0; e < h.length; e++) h[e] += x[e]; }
    }
    return h;
  };
};

// ---- real buttons, unseen, over the fields of a panel: mouse, touch, keys and screen readers find them
// One of them can be tabbed to; the arrow keys lead on.
const fields = (p, area, columns, count, attributes, kind, pick, key) => {
  const [x, y, w, h] = area, share = (a, b) => 100 * a / b + '%', rows = Math.ceil(count / columns);
  const group = make('div', {...attributes, class: 'c10-fields', style: `left:${share(x, p.w)};top:${share(y, p.h)};width:${share(w, p.w)};` +
    `height:${share(h, p.h)};grid-template:repeat(${rows},1fr)/repeat(${columns},1fr)`});
  const all = Array.from({length: count}, () => make('button', {type: 'button', ...kind}));
  let at = 0;
  const to = i => { all[at].tabIndex = -1; all[at = i].tabIndex = 0; };
  const go = i => { to(i); all[i].focus({preventScroll: true}); pick(i); };
  all.forEach((b, i) => { b.tabIndex = i ? -1 : 0; on(b, 'click', () => go(i)); });
  on(group, 'keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: count - 1 - at}[e.key];
    if (step == null ? !key(e.key) : false) return;
    e.preventDefault();
    if (all[at + step]) go(at + step);
  });
  group.append(...all);
  p.c.after(group);
  return {all, to, focus: () => all[at].focus({preventScroll: true})};
};

// == code
KINDS.code = (d, ui) => {
  const {side, cells: cell, scale, small, tile} = d, [rows, columns] = d.grid, [h, w] = d.shape, cells = rows * columns, T = 24, K = d.count;
  const net = convolutions(d.net), book = floats(d.codebook), width = book.length / K, pixels = bytes(d.pixels), sets = bytes(d.codes);
  const icons = bytes(d.tiles), paint = painter(h, w), icon = painter(tile, tile), ink = d.invert ? 1 : 0;
  const over = n => { const e = make('div', {class: 'c10-over', style: `width:${n}px`}); ui.stage.append(e); return e; };
  ui.stage.style.maxWidth = d.width + 'px';
  const A = ui.panel(side, side + T, say("The map of {rows} times {columns} codes", {rows, columns}), over(side)), B = ui.panel(side, side + T, say("The picture decoded from the map"));
  const C = ui.panel(d.column, side + T, say("The original, and what changed since the codes were as encoded")), P = ui.panel(d.width, d.palette, say("The {count} codes to choose from", {count: K}), over(d.width));
  const bar = ui.buttons(), read = ui.read(), table = ui.read('table'), names = [say("cells changed"), say("pixels changed by more than 0.1"), say("squared error to the original"), say("as encoded")];
  const values = names.map(() => make('td')), each = d.width / d.columns;
  table.append(make('thead', {}, make('tr', {}, ...names.map(t => make('th', {scope: 'col'}, t)))), make('tbody', {}, make('tr', {}, ...values)));
  read.setAttribute('aria-live', 'polite');
  // As in the controls: JupyterLab would take the keys as its own.
  on(ui.stage, 'keydown', e => { if (!e.ctrlKey && !e.metaKey) e.stopPropagation(); });
  ui.stage.setAttribute('data-lm-suppress-shortcuts', 'true');

  const decode = codes => {
    const x = new Float64Array(width * cells);
    for (let i = 0; i < cells; i++) for (let c = 0; c < width; c++) x[c * cells + i] = book[codes[i] * width + c];
    return net(x, rows, columns);
  };
  let shown = d.start, at = d.cell, codes, encoded, before, original;
  const open = i => {
    shown = i;
    encoded = sets.subarray(i * cells, (i + 1) * cells);
    original = pixels.subarray(i * h * w, (i + 1) * h * w);
    codes = Array.from(encoded); before = decode(codes);
  };
  const error = y => original.reduce((t, v, i) => t + (v / 255 - y[i]) ** 2, 0);
  const place = i => say("row {row}, column {column}", {row: Math.floor(i / columns) + 1, column: i % columns + 1});
  const write = k => { codes[at] = (k + K) % K; ui.request(); };
  const map = fields(A, [0, T, columns * cell, rows * cell], columns, cells, {role: 'group', 'aria-label': say("Code map, {rows} rows of {columns}; plus and minus change a code", {rows, columns})}, {},
    i => { at = i; ui.request(); }, k => '+=-_−'.includes(k) && (write(codes[at] + ('+='.includes(k) ? 1 : -1)), true));
  const palette = fields(P, [0, T, d.width, d.palette - T], d.columns, K, {role: 'radiogroup', 'aria-label': say("Code of the chosen cell")}, {role: 'radio'}, write, () => false);
  palette.all.forEach((b, i) => b.setAttribute('aria-label', say("code {code}, in {share} of the cells", {code: i, share: d.used[i]})));
  ui.button(bar, say("Reset the cell"), () => write(encoded[at]));
  ui.button(bar, say("Reset all"), () => { codes = Array.from(encoded); ui.request(); });
  if (d.names.length > 1) ui.button(bar, say("Another image"), () => { open((shown + 1) % d.names.length); ui.request(); });
  ui.button(bar, say("All codes at random"), () => { codes = codes.map(() => Math.floor(K * Math.random())); ui.request(); });
  open(shown);
  map.to(at);

  const code = (g, k, x, y, s) => {
    icon(g, x, y, s / tile, q => grey(Math.abs(ink - icons[k * tile * tile + q] / 255)));
    text(g, String(k), x + s - 5, y + s - 5, {size: d.number, align: 'right', halo: 1});
  };
  const frame = (g, x, y, s, t, colour, width) => { g.strokeStyle = colour; g.lineWidth = width; g.strokeRect(x + width / 2, y + width / 2, s - width, t - width); };
  return {
    decode: c => Array.from(decode(c)),
    state: () => ({codes: [...codes], cell: at, image: shown, error: error(decode(codes))}),
    draw: () => {
      const y = decode(codes), left = at % columns, top = Math.floor(at / columns);
      let cellsChanged = 0, pixelsChanged = 0;
      A.show(g => {
        text(g, say("codes of {image}", {image: d.names[shown]}), 2, 15, {bold: 1});
        codes.forEach((k, i) => {
          const u = i % columns * cell, v = T + Math.floor(i / columns) * cell;
          code(g, k, u, v, cell);
          if (k !== encoded[i]) { cellsChanged++; frame(g, u, v, cell, cell, '#d55e00', 2); } else frame(g, u, v, cell, cell, LINE, 1);
          const said = say("{place}: code {code}", {place: place(i), code: k});
          if (map.all[i].ariaLabel !== said) map.all[i].setAttribute('aria-label', said);
          map.all[i].setAttribute('aria-current', i === at);
        });
        frame(g, left * cell, T + top * cell, cell, cell, BLUE, 4);
      });
      B.show(g => {
        text(g, say("decoded"), 2, 15, {bold: 1});
        paint(g, 0, T, scale, q => grey(Math.abs(ink - y[q])));
        frame(g, left * w / columns * scale, T + top * h / rows * scale, w / columns * scale, h / rows * scale, BLUE, 2);
      });
      C.show(g => {
        text(g, say("original"), 2, 15, {bold: 1});
        paint(g, 0, T, small, q => grey(Math.abs(ink - original[q] / 255)));
        text(g, say("change"), 2, d.second - 9, {bold: 1});
        // more ink blue, less ink orange, on white
        paint(g, 0, d.second, small, q => {
          const t = y[q] - before[q], u = Math.min(1, Math.abs(t));
          if (u > .1) pixelsChanged++;
          return t > 0 ? [255 - 255 * u, 255 - 141 * u, 255 - 77 * u] : [255 - 42 * u, 255 - 161 * u, 255 - 255 * u];
        });
        frame(g, left * w / columns * small, d.second + top * h / rows * small, w / columns * small, h / rows * small, BLUE, 1);
      });
      P.show(g => {
        text(g, d.about, 2, 15, {bold: 1});
        for (let k = 0; k < K; k++) {
          const u = k % d.columns * each, v = T + Math.floor(k / d.columns) * each;
          code(g, k, u, v, each); frame(g, u, v, each, each, LINE, 1);
        }
        frame(g, codes[at] % d.columns * each, T + Math.floor(codes[at] / d.columns) * each, each, each, BLUE, 4);
        palette.all.forEach((b, k) => b.setAttribute('aria-checked', k === codes[at]));
        palette.to(codes[at]);
      });
      const of = (number, count) => say("{number} of {count}", {number, count}), found = [of(cellsChanged, cells), of(pixelsChanged, h * w), fmt(error(y)), fmt(error(before))];
      values.forEach((e, i) => e.textContent = found[i]);
      const now = {image: d.names[shown], place: place(at), code: codes[at], encoded: encoded[at]};
      const said = codes[at] === encoded[at] ? say("{image}, {place}: code {code}, as encoded", now) : say("{image}, {place}: code {code}, encoded as {encoded}", now);
      if (read.textContent !== said) read.textContent = said;
    }};
};
