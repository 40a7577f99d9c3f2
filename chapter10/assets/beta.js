// Models of several β side by side in time: a further part of the script in live.js, cut and joined as it says.

// == beta
KINDS.beta = (d, ui) => {
  const [h, w] = d.shape, k = d.scale, n = d.names.length, pitch = w * k + 8, {left, rows, steps, size} = d, paint = painter(h, w), ink = d.invert ? 1 : 0;
  const seen = bytes(d.pixels), models = d.models.map(m => ({...m, net: network(m.net)}));
  ui.stage.style.maxWidth = d.width + 'px';
  const A = ui.panel(d.width, d.height, data.alt), B = ui.panel(...size.bars, say("KL of each latent dimension as bars, the greatest first")), C = ui.panel(...size.curve, say("Reconstruction over KL, a point for each β"));
  const beta = ui.slider({label: 'β', min: 0, max: models.length - 1, step: 1, value: d.start, text: i => models[i].beta});
  const bar = ui.buttons(), table = ui.read('table'), values = d.numbers.map(() => make('td'));
  const choice = (label, options, value) => {
    const id = ui.uid + '-menu' + bar.childElementCount, e = make('select', {id}, ...options.map((t, i) => make('option', {value: i}, t)));
    e.value = value;
    on(e, 'change', ui.request);
    bar.append(make('span', {style: 'white-space:nowrap'}, make('label', {for: id, style: 'margin-right:6px'}, label), e));
    return e;
  };
  const dimension = choice(say("Walk along"), models[0].order.map(String), 0), image = choice(say("from"), d.names, d.image), pick = (e, v) => { e.value = v; ui.request(); };
  ui.button(bar, say("Next dimension"), () => pick(dimension, (+dimension.value + 1) % models[0].order.length));
  table.append(make('thead', {}, make('tr', {}, ...d.numbers.map(t => make('th', {scope: 'col'}, t)))), make('tbody', {}, make('tr', {}, ...values)));
  // A place of the canvas as numbers in its own pixels
  const pressed = (p, act) => {
    p.c.style.cursor = 'pointer';
    on(p.c, 'click', e => { const r = p.c.getBoundingClientRect(), s = p.w / r.width; act((e.clientX - r.left) * s, (e.clientY - r.top) * s); });
  };
  const many = models[0].order.length, [u0, u1, v0, v1] = d.bars, wide = (u1 - u0) / many;
  pressed(A, (x, y) => { const i = Math.floor((x - left) / pitch); if (y < rows[2] - 24 && i >= 0 && i < n) pick(image, i); });
  pressed(B, x => { const i = Math.floor((x - u0) / wide); if (i >= 0 && i < many) pick(dimension, i); });
  const tall = v => v1 - (v1 - v0) * v / d.top, [x0, x1, y0, y1] = d.curve, [a0, a1, b0, b1] = d.range;
  const X = v => x0 + (v - a0) / (a1 - a0) * (x1 - x0), Y = v => y1 - (v - b0) / (b1 - b0) * (y1 - y0);
  let last = -1;
  const state = () => { const m = models[beta.value], r = +dimension.value; return {m, r, j: m.order[r], i: +image.value}; };
  const walk = ({m, j, i}) => steps.map(v => { const z = m.codes[i].slice(); z[j] = v; return m.net(z); });
  return {
    decode: (i, z) => Array.from(models[i].net(z)),
    state: () => { const {m, r, j, i} = state(); return {beta: m.beta, rank: r, dimension: j, image: i, walk: walk(state()).map(y => Array.from(y))}; },
    draw: () => {
      const s = state(), {m, r, j, i} = s, name = 'z' + sub(j + 1), nats = q => fmt(m.kl[q]);
      if (+beta.value !== last) {
        last = +beta.value;
        Array.from(dimension.options).forEach((o, q) => o.textContent = `z${sub(m.order[q] + 1)}: ${nats(m.order[q])} nats`);
        beta.label.textContent = 'β = ' + m.beta;
        values.forEach((e, q) => e.textContent = m.numbers[q]);
        beta.say(d.numbers.map((t, q) => t + ' ' + m.numbers[q]).join(', '));
      }
      A.show(g => {
        [say("images"), say("decoded,")].forEach((t, q) => text(g, t, 2, rows[q] + h * k / 2 + 4 - 8 * q, {bold: q}));
        text(g, 'β = ' + m.beta, 2, rows[1] + h * k / 2 + 12, {bold: 1, color: BLUE});
        for (let q = 0; q < n; q++) {
          const x = left + q * pitch, y = m.net(m.codes[q]);
          paint(g, x, rows[0], k, p => grey(Math.abs(ink - seen[q * h * w + p] / 255)));
          paint(g, x, rows[1], k, p => grey(Math.abs(ink - y[p])));
          if (q === i) path(g, [[x - 3, rows[0] - 3], [x + w * k + 3, rows[0] - 3], [x + w * k + 3, rows[1] + h * k + 3], [x - 3, rows[1] + h * k + 3], [x - 3, rows[0] - 3]], {stroke: '#d55e00', width: 2});
        }
        const walked = {name, image: d.names[i], first: fmt(steps[0], 0), last: fmt(steps[steps.length - 1], 0), cost: nats(j), value: fmt(m.codes[i][j])};
        text(g, say("{name} of {image} from {first} to {last}; it costs {cost} nats, and is {value} as encoded", walked), left, rows[2] - 9, {bold: 1});
        text(g, name + ' =', left - 12, rows[2] + h * k + 16, {align: 'right', color: SOFT});
        walk(s).forEach((y, q) => {
          const x = left + q * pitch;
          paint(g, x, rows[2], k, p => grey(Math.abs(ink - y[p])));
          text(g, fmt(steps[q], 0), x + w * k / 2, rows[2] + h * k + 16, {align: 'center', color: SOFT});
        });
      });
      B.show(g => {
        text(g, say("KL of each dimension, nats"), 2, 15, {bold: 1});
        for (const t of d.ticks.kl) { path(g, [[u0, tall(t)], [u1, tall(t)]], {stroke: LINE}); text(g, fmt(t, d.digits), u0 - 5, tall(t) + 4, {size: 11, color: SOFT, align: 'right'}); }
        m.order.forEach((q, p) => {
          const x = u0 + p * wide, y = tall(m.kl[q]);
          box(g, [x + wide * .1, y, wide * .8, Math.max(1, v1 - y)], p === r ? '#d55e00' : BLUE);
          if (wide > 15 || p === r) text(g, 'z' + sub(q + 1), x + wide / 2, v1 + 14, {size: 10, align: 'center', color: p === r ? INK : SOFT, bold: p === r});
        });
        path(g, [[u0, v1], [u1, v1]], {stroke: INK});
      });
      C.show(g => {
        text(g, say("reconstruction over KL, nats"), 2, 15, {bold: 1});
        for (const t of d.ticks.y) { path(g, [[x0, Y(t)], [x1, Y(t)]], {stroke: LINE}); text(g, fmt(t, 0), x0 - 5, Y(t) + 4, {size: 11, color: SOFT, align: 'right'}); }
        axis(g, d.ticks.x, X, y1, x0, x1);
        path(g, models.map(q => [X(q.at[0]), Y(q.at[1])]), {stroke: SOFT, width: 1.5});
        models.forEach(q => dot(g, X(q.at[0]), Y(q.at[1]), 3, SOFT));
        dot(g, X(m.at[0]), Y(m.at[1]), 6, BLUE, '#fff');
        text(g, 'β = ' + m.beta, x1, y1 - 8, {align: 'right', bold: 1, color: BLUE, halo: 1});
      });
    }};
};
