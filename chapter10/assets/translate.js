// Pictures translated in the page: a further part of the script in live.js, cut and joined as it says.

// == translation
KINDS.translation = (d, ui) => {
  const [h, w] = d.shape, n = h * w, T = 24, {scale, small, tile, width} = d, side = w * scale, ink = d.invert ? 1 : 0, count = d.names.length;
  const nets = d.nets.map(convolutions), pixels = bytes(d.pixels), paint = painter(h, w);
  const over = v => { const e = make('div', {class: 'c10-over', style: `width:${v}px`}); ui.stage.append(e); return e; };
  ui.stage.style.maxWidth = width + 'px';
  const S = ui.panel(width, T + tile, say("The images to pick from"), over(width)), A = ui.panel(side, T + h * scale, say("Your image: a field to draw on"), over(side));
  const B = ui.panel(side, T + h * scale, say("Your image, translated")), C = ui.panel(side, T + h * scale, say("The translation, translated back"));
  const K = ui.panel(w * small, T + h * scale, say("The known translation, and what differs from it"));
  const bar = ui.buttons(), table = ui.read('table'), read = ui.read(), values = ['', '', ''].map(() => make('td')), heads = values.map(() => make('th', {scope: 'col'}));
  table.append(make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, make('tr', {}, ...values)));
  read.setAttribute('aria-live', 'polite');
  // As in the controls: JupyterLab would take the keys as its own.
  on(ui.stage, 'keydown', e => { if (!e.ctrlKey && !e.metaKey) e.stopPropagation(); });
  ui.stage.setAttribute('data-lm-suppress-shortcuts', 'true');

  // ---- the known translations, as chapter10/domains.py has them; from an outline to its digit there is no rule
  const outline = x => x.map((v, i) => {
    const r = Math.floor(i / w), c = i % w;
    let most = 0;
    for (let a = Math.max(0, r - 1); a <= Math.min(h - 1, r + 1); a++) for (let b = Math.max(0, c - 1); b <= Math.min(w - 1, c + 1); b++) most = Math.max(most, x[a * w + b]);
    return most - v;
  });
  const turn = x => x.map((v, i) => x[i % w * w + w - 1 - Math.floor(i / w)]), turnBack = x => x.map((v, i) => x[(h - 1 - i % w) * w + Math.floor(i / w)]);
  const rules = {outlines: [outline], rotated: [turn, turnBack]}[d.pair];
  const digit = i => Float64Array.from(pixels.subarray(i * n, (i + 1) * n), v => v / 255);

  const strips = [[], []];
  let at = d.start, drawn = false, x, y, back, known, pen = [h / 2, w / 2], down = false, keys = false, stale = true;
  const from = () => way.value === 'a' ? 0 : 1;
  const set = i => { at = i; drawn = down = false; stale = true; x = from() ? rules[0](digit(i)) : digit(i); };
  const changed = () => { stale = true; ui.request(); }, open = i => { set(i); ui.request(); };
  const run = (net, v) => net(v.map(t => 2 * t - 1), h, w).map(t => (t + 1) / 2);
  const translate = () => {
    if (!stale) return;
    stale = false;
    y = run(nets[from()], x); back = run(nets[1 - from()], y);
    known = rules[from()] ? rules[from()](x) : drawn ? null : digit(at);
  };
  const error = (a, b) => Math.sqrt(a.reduce((t, v, i) => t + (v - b[i]) ** 2, 0) / n);
  // A line from (r, c) to (s, e), in pixels: full within `thick` of it, then a soft edge of one pixel.
  const stroke = (r, c, s, e) => {
    const a = s - r, b = e - c, l = a * a + b * b || 1, thick = d.pens[from()];
    x = x.map((v, i) => {
      const p = Math.floor(i / w) + .5 - r, q = i % w + .5 - c, t = clamp((p * a + q * b) / l, 0, 1), m = clamp(thick + 1 - Math.hypot(p - t * a, q - t * b), 0, 1);
      return tool.value === 'draw' ? Math.max(v, m) : Math.min(v, 1 - m);
    });
    drawn = true;
    changed();
  };
  const wipe = () => { x = new Float64Array(n); pen = [h / 2, w / 2]; drawn = true; changed(); };
  const strip = fields(S, [0, T, count * tile, tile], count, count, {role: 'radiogroup', 'aria-label': say("Image to translate")}, {role: 'radio'}, open, () => false);
  strip.all.forEach((b, i) => b.setAttribute('aria-label', d.names[i]));
  const way = menu(ui, bar, say("Translate"), [['a', `${d.words[0]} → ${d.words[1]} → ${d.words[0]}`], ['b', `${d.words[1]} → ${d.words[0]} → ${d.words[1]}`]], d.direction, () => open(at));
  const tool = menu(ui, bar, say("The pen"), [['draw', say("draws")], ['rub', say("rubs out")]], 'draw');
  ui.button(bar, say("Wipe the field"), wipe);
  if (count > 1) ui.button(bar, say("Another image"), () => open((at + 1) % count));

  // ---- the pen, by mouse and touch, or by keys
  A.c.classList.add('c10-drag');
  A.c.tabIndex = 0;
  A.c.setAttribute('role', 'application');
  A.c.setAttribute('aria-label', say("Field to draw on: arrow keys move the pen, space puts it down or up, Delete wipes the field"));
  const place = e => { const r = A.c.getBoundingClientRect(), k = A.w / r.width / scale; return [clamp((e.clientY - r.top) * k - T / scale, 0, h), clamp((e.clientX - r.left) * k, 0, w)]; };
  on(A.c, 'pointerdown', e => { if (e.button) return; A.c.setPointerCapture(e.pointerId); keys = false; pen = place(e); stroke(...pen, ...pen); e.preventDefault(); });
  on(A.c, 'pointermove', e => { if (!A.c.hasPointerCapture(e.pointerId)) return; const to = place(e); stroke(...pen, ...to); pen = to; });
  on(A.c, 'keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[e.key];
    if (step) {
      const to = [clamp(Math.floor(pen[0]) + .5 + step[0], .5, h - .5), clamp(Math.floor(pen[1]) + .5 + step[1], .5, w - .5)];
      if (down) stroke(...pen, ...to);
      pen = to;
    } else if (e.key === ' ') { down = !down; if (down) stroke(...pen, ...pen); } else if (e.key === 'Delete' || e.key === 'Backspace') wipe(); else return;
    e.preventDefault();
    keys = true;
    ui.request();
  });
  on(A.c, 'blur', () => { keys = down = false; ui.request(); });
  set(at);

  const frame = (g, x0, y0, s, t, colour, line) => { g.strokeStyle = colour; g.lineWidth = line; g.strokeRect(x0 + line / 2, y0 + line / 2, s - line, t - line); };
  const show = (g, p, title, picture, k = scale) => {
    text(g, title, 2, 15, {bold: 1});
    paint(g, 0, T, k, i => grey(Math.abs(ink - picture[i])));
    frame(g, 0, T, w * k, h * k, LINE, 1);
  };
  return {
    translate: (v, direction) => { const i = direction === 'b' ? 1 : 0, there = run(nets[i], Float64Array.from(v)); return [[...there], [...run(nets[1 - i], there)]]; },
    state: () => { translate(); return {x: [...x], y: [...y], back: [...back], known: known && [...known], at, drawn, pen, down}; },
    known: (v, i) => [...rules[i](Float64Array.from(v))],
    draw: () => {
      translate();
      const [a, b] = from() ? [d.words[1], d.words[0]] : d.words, yours = drawn ? say("your drawing") : d.names[at];
      S.show(g => {
        text(g, say("pick one, or draw in the field below"), 2, 15, {bold: 1});
        for (let i = 0; i < count; i++) {
          // Each is painted once, and from then on only laid down.
          const shown = strips[from()], picture = shown[i] ? null : from() ? rules[0](digit(i)) : digit(i);
          shown[i] = shown[i] || painter(h, w);
          shown[i](g, i * tile, T, tile / w, picture && (q => grey(Math.abs(ink - picture[q]))));
          frame(g, i * tile, T, tile, tile, LINE, 1);
          strip.all[i].setAttribute('aria-checked', !drawn && i === at);
        }
        if (!drawn) frame(g, at * tile, T, tile, tile, BLUE, 4);
        strip.to(at);
      });
      A.show(g => {
        show(g, A, say("from {domain}: {image}", {domain: a, image: yours}), x);
        if (!keys) return;
        const [r, c] = pen.map(v => v * scale);
        frame(g, 0, T, side, h * scale, BLUE, 2);
        dot(g, c, T + r, 5, down ? '#d55e00' : '#fff', '#d55e00');
      });
      B.show(g => show(g, B, say("to {domain}", {domain: b}), y));
      C.show(g => show(g, C, say("back to {domain}", {domain: a}), back));
      K.show(g => {
        if (!known) { text(g, say("known"), 2, 15, {bold: 1}); say("nobody\nknows it for\na drawing").split('\n').forEach((t, i) => text(g, t, 2, T + 20 + 17 * i, {color: SOFT})); return; }
        show(g, K, say("known"), known, small);
        text(g, say("off by"), 2, d.second - 9, {bold: 1});
        // more ink blue, less ink orange, on white
        paint(g, 0, d.second, small, q => { const t = y[q] - known[q], u = Math.min(1, Math.abs(t)); return t > 0 ? [255 - 255 * u, 255 - 141 * u, 255 - 77 * u] : [255 - 42 * u, 255 - 161 * u, 255 - 255 * u]; });
        frame(g, 0, d.second, w * small, h * small, LINE, 1);
      });
      const found = [known ? fmt(error(y, known), 3) : '–', known ? fmt(error(x, known), 3) : '–', fmt(error(back, x), 3)];
      [say("pixel error to the known one"), say("of the untranslated image"), say("there and back, to yours")].forEach((t, i) => { heads[i].textContent = t; values[i].textContent = found[i]; });
      let said = say("{image}: translated it is off by {off}, untranslated by {untranslated}; there and back by {back}", {image: yours, off: found[0], untranslated: found[1], back: found[2]});
      const stands = {said, row: Math.ceil(pen[0]), column: Math.ceil(pen[1])};
      if (keys) said = down ? say("{said}; pen down, row {row}, column {column}", stands) : say("{said}; pen up, row {row}, column {column}", stands);
      if (read.textContent !== said) read.textContent = said;
    }};
};
