// Figures whose pictures the kernel computes: the sliders are those of the page; see chapter10/live/kernel.py.
// == kernel
// ---- the wire: values go out through a hidden text field of ipywidgets, pictures and words come back in its Image and its HTML
const wired = (ui, values, shown) => {
  const {root} = ui, name = '.c10-wire-' + data.wire, born = performance.now();
  const GONE = say("The kernel that draws this figure is gone; this is its last picture. Run the cell again.");
  const STORED = say("This picture was stored: the kernel that drew it is not here. Run the cell, and the sliders answer.");
  let field, picture, words, watch, asked = '', count = 0, answered = 0, heard = born, waits = 0, touched = born, wrong = '', last = '', live = false;
  const status = make('p', {class: 'c10-status', role: 'status'});
  const tell = (text, alert) => {
    if (status.textContent === text) return;
    status.classList.toggle('c10-error', !!alert);
    status.textContent = text;
  };
  // The wire beside this figure; else the first one after it.
  const find = () => {
    const all = [...doc.querySelectorAll(name)].filter(e => e.querySelector('input') && e.querySelector('img')), area = root.closest('.jp-OutputArea');
    return all.find(e => area && area.contains(e)) || all.find(e => root.compareDocumentPosition(e) & 4);
  };
  const send = () => {
    waits = waits || performance.now();
    field.value = JSON.stringify({n: ++count, who: ui.uid, sharp: clamp(devicePixelRatio || 1, 1, 2), values: JSON.parse(asked)});
    field.dispatchEvent(new Event('input', {bubbles: true}));
  };
  // One question at a time is under way; ipywidgets keeps the newest of those that come meanwhile, and drops the others.
  const ask = () => {
    const now = JSON.stringify(values.get());
    if (!live || now === asked) return;
    asked = now;
    send();
  };
  const answer = async () => {
    const text = words.textContent, said = text && JSON.parse(text), kept = said && JSON.stringify([said.words, said.values]);
    if (!said) return;
    heard = performance.now();
    if (said.who === ui.uid) { answered = said.n; waits = answered < count ? heard : 0; }
    try { await picture.decode(); } catch (e) { if (words.textContent !== text) return; }
    if (words.textContent !== text) return;
    // Somebody moved another view of this figure.
    if (said.who !== ui.uid && answered === count) { asked = JSON.stringify(said.values); values.set(said.values); }
    wrong = said.error || '';
    if (kept !== last) { last = kept; shown(picture, said); }
    look();
  };
  const look = () => {
    const wire = picture && picture.isConnected ? picture.closest(name) : find(), now = performance.now();
    if (wire && !wire.contains(picture)) {
      [field, picture, words] = ['input', 'img', '.widget-html-content'].map(s => wire.querySelector(s));
      if (!words) { picture = null; return; }
      watch && watch.disconnect();
      watch = new MutationObserver(() => answer().catch(e => fail(root, e)));
      watch.observe(words, {childList: true, characterData: true, subtree: true});
      live = true; heard = now; waits = 0; answered = count;
      answer().catch(e => fail(root, e));
    }
    const gone = !wire || wire.classList.contains('jupyter-widgets-disconnected');
    if (gone && live) { live = false; asked = ''; }
    else if (!gone && !live) { live = true; waits = 0; }
    ui.controls.classList.toggle('c10-gone', !live);
    ui.controls.querySelectorAll('input,select,button').forEach(e => { e.disabled = !picture; });
    const late = waits ? (now - waits) / 1000 : 0;
    if (!wire) tell(now - born < 6000 ? say("Waiting for the kernel.") : picture ? GONE : STORED, picture);
    else if (gone) tell(GONE, true);
    else if (late > 3) tell(say("No answer from the kernel yet: it is busy with something else, or gone. If it stays so, run the cell again."), true);
    else if (wrong) tell(wrong, true);
    else tell(late > .6 ? say("The kernel is computing.") : '');
    // Is it still there? Asked only while somebody is at the page and sees the figure.
    if (live && !waits && now - heard > 2500 && now - touched < 120000 && !doc.hidden && seen(root)) { asked = JSON.stringify(values.get()); send(); }
  };
  const seen = e => { const r = e.getBoundingClientRect(); return r.height && r.bottom > 0 && r.top < innerHeight; };
  const ends = new AbortController(), options = {passive: true, capture: true, signal: ends.signal};
  for (const type of ['pointermove', 'keydown', 'wheel', 'touchstart']) doc.addEventListener(type, () => { touched = performance.now(); }, options);
  const end = () => { clearInterval(timer); ends.abort(); };
  let away = 0;
  const timer = setInterval(() => {
    away = root.isConnected ? 0 : away + 1;
    if (away > 1200) return end();
    if (root.isConnected) try { look(); } catch (e) { fail(root, e); }
  }, 500);
  ui.controls.append(status);
  // Where no kernel can be, as on a web page, the still stays as it is.
  const ready = new Promise(yes => {
    const wait = () => {
      if (root.closest('.jp-OutputArea') || find()) return yes();
      if (performance.now() - born < 120000) setTimeout(wait, 250);
      else end();
    };
    wait();
  }).then(async () => {
    try { await root.querySelector('.c10-still').decode(); } finally { look(); }
  });
  return {ask, ready, status};
};

const pixels = s => Array.from(bytes(s), v => v / 255);
// Pictures of h×w pixels beside one another, each as its values from 0 to 1.
const tiles = (picture, h, w) => {
  const c = make('canvas', {width: picture.naturalWidth, height: picture.naturalHeight}), g = c.getContext('2d', {willReadFrequently: true});
  g.drawImage(picture, 0, 0);
  return Array.from({length: c.width / w}, (_, i) => { const p = g.getImageData(i * w, 0, w, h).data; return Float32Array.from({length: h * w}, (_, k) => p[4 * k] / 255); });
};

// == drawn
KINDS.drawn = (d, ui) => {
  const p = ui.panel(d.width, d.height, data.alt), inputs = {}, still = ui.root.querySelector('.c10-still');
  let bar, source = still, said = {}, fresh = true;
  for (const c of d.controls) {
    if (c.options) {
      const id = ui.uid + '-' + c.name, pick = make('select', {id}, ...c.options.map((t, i) => make('option', {value: i}, t)));
      (bar = bar || ui.buttons()).append(make('label', {for: id}, c.label), pick);
      pick.value = c.start;
      on(pick, 'change', ui.request);
      inputs[c.name] = {get value() { return +pick.value; }, set: v => { pick.value = v; }, say: () => 0};
    } else {
      const unit = c.unit ? ' ' + c.unit : '', digits = c.digits;
      inputs[c.name] = ui.slider({...c, value: c.start, out: true, text: v => (c.among ? c.among[v] : fmt(v, digits)) + unit});
    }
  }
  const read = ui.read();
  read.classList.add('c10-two');
  const link = wired(ui, {
    get: () => Object.fromEntries(Object.entries(inputs).map(([k, i]) => [k, i.value])),
    set: v => { for (const k in v) inputs[k] && inputs[k].set(v[k]); },
  }, (picture, words) => { source = picture; said = words; fresh = true; ui.request(); });
  return {
    ready: link.ready,
    draw: () => {
      link.ask();
      if (!fresh) return;
      fresh = false;
      p.show(g => { g.imageSmoothingEnabled = d.smooth; g.drawImage(source, 0, 0, d.width, d.height); });
      p.c.setAttribute('aria-label', said.alt || data.alt);
      read.textContent = said.words ?? d.words;
      Object.values(inputs).forEach(i => i.say(said.words ?? d.words));
    }};
};
