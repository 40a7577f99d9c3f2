// The web pages' own script: buttons that copy code, the search, scrolling by keys. Nothing is asked from outside.
(() => {
  'use strict';

  // ---- in the page's language, which hands over what its sentences are in it
  const said = JSON.parse(document.getElementById('site-said').textContent);
  const say = (message, values = {}) => (said[message] || message).replace(/\{(\w+)\}/g, (place, name) => name in values ? values[name] : place);

  // ---- code can be copied
  const put = async text => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // no clipboard for this address or this browser: the older way
      const area = document.createElement('textarea');
      area.value = text;
      document.body.append(area);
      area.select();
      const done = document.execCommand('copy');
      area.remove();
      if (!done) throw new Error('copying is not allowed here');
    }
  };
  for (const block of document.querySelectorAll('.code')) {
    const button = document.createElement('button');
    button.type = 'button';
    const rest = () => { button.textContent = say("Copy"); button.setAttribute('aria-label', say("Copy this code")); };
    rest();
    button.addEventListener('click', async () => {
      let told = say("Copied");
      try {
        await put(block.querySelector('code').textContent);
      } catch {
        told = say("Not allowed here: select the code and copy it by hand");
      }
      button.textContent = told;
      button.setAttribute('aria-label', told);
      button.focus();
      setTimeout(rest, 2000);
    });
    block.append(button);
  }

  // ---- what scrolls sideways can be scrolled by keys
  const reach = () => {
    for (const e of document.querySelectorAll('pre, .wide, .formula')) {
      if (e.scrollWidth > e.clientWidth + 1) e.tabIndex = 0;
      else e.removeAttribute('tabindex');
    }
  };
  addEventListener('load', reach);
  addEventListener('resize', reach);
  document.addEventListener('toggle', reach, true);

  // ---- the contents stay folded on a phone
  const contents = document.querySelector('.contents details');
  const wide = matchMedia('(min-width: 1040px)'), fold = () => { contents.open = wide.matches; };
  wide.addEventListener('change', fold);
  fold();

  // ---- search
  const form = document.querySelector('.search'), input = form.querySelector('input');
  const panel = document.getElementById('site-found'), list = panel.querySelector('ol'), status = panel.querySelector('p');
  form.hidden = false;
  const even = text => text.normalize('NFKC').toLowerCase();
  let loading = null;
  const load = () => loading ??= new Promise((done, failed) => {  // a script, for a page from a disk may not fetch
    const script = document.createElement('script');
    script.src = 'site-index.js';
    script.onload = () => done(window.siteIndex.flatMap(([file, title, ...sections]) => sections.map(
      ([anchor, heading, text, names]) => ({file, title, anchor, heading, text, low: [title, heading, text, names].map(even)}))));
    script.onerror = () => { loading = null; failed(); };
    document.head.append(script);
  });
  const count = (text, word) => text.split(word).length - 1;
  const weigh = ({low}, word) => {
    const [title, heading, text, names] = low.map(part => count(part, word));
    return 4 * Math.min(title, 1) + 8 * Math.min(heading, 1) + Math.min(text, 5) + Math.min(names, 1);
  };
  // Chinese has no spaces between its words: what is typed in one run is looked for as a whole, and by its pairs of characters.
  const HAN = /\p{Script=Han}/u, TERM = /\p{Script=Han}+|[^\s\p{Script=Han}]+/gu;
  const ASKING = /为什么|什么|怎么|怎样|如何|[吗呢]/g;  // in every section, and about nothing
  const terms = typed => {
    const text = even(typed.replace(/[，。；：？！、（）“”《》]/g, ' '));
    return (text.replace(ASKING, ' ').match(TERM) || text.match(TERM) || []).map(word => {
      const signs = HAN.test(word) ? [...word] : [];
      return {word, pairs: signs.length > 2 ? signs.slice(1).map((sign, i) => signs[i] + sign) : []};
    });
  };
  const rank = (section, wanted) => {  // 0 where one of them is missing; of a run of Chinese, half of its pairs may be
    let sum = 0;
    for (const {word, pairs} of wanted) {
      let points = weigh(section, word);
      const found = pairs.map(pair => weigh(section, pair)), there = found.filter(Boolean).length;
      if (pairs.length && 2 * there >= pairs.length) points += found.reduce((a, b) => a + b, 0) / pairs.length;
      if (!points) return 0;
      sum += points;
    }
    return sum;
  };
  const marked = (text, wanted) => {  // nodes, never HTML: what was typed stays text
    const words = wanted.flatMap(({word, pairs}) => !pairs.length || text.toLowerCase().includes(word) ? [word] : pairs);
    const at = Math.max(0, Math.min(...words.map(w => text.toLowerCase().indexOf(w)).filter(i => i >= 0), text.length) - 60);
    const piece = (at ? '… ' : '') + text.slice(at, at + 180) + (text.length > at + 180 ? ' …' : '');
    const nodes = [], low = piece.toLowerCase();  // as long as the piece, which NFKC is not
    for (let i = 0; i < piece.length;) {
      const hits = words.map(w => [low.indexOf(w, i), w.length]).filter(([p]) => p >= 0).sort((a, b) => a[0] - b[0]);
      const [next, length] = hits[0] ?? [piece.length, 0];
      nodes.push(piece.slice(i, next));
      if (length) {
        const mark = document.createElement('mark');
        mark.textContent = piece.slice(next, next + length);
        nodes.push(mark);
      }
      i = next + length;
    }
    return nodes;
  };
  const hide = () => { panel.hidden = true; };
  const search = async () => {
    const wanted = terms(input.value), typed = wanted.map(({word}) => word).join('');
    if (typed.length < 2 && !HAN.test(typed)) return hide();
    panel.hidden = false;
    let sections;
    try {
      sections = await load();
    } catch {
      status.textContent = say("The search does not work: the file site-index.js is missing beside this page.");
      return;
    }
    const found = sections.map((s, i) => [rank(s, wanted), i, s]).filter(([points]) => points);
    found.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    const {length} = found;
    status.textContent = length > 25 ? say("25 of {count} sections", {count: length})
      : length === 1 ? say("1 section") : say("{count} sections", {count: length});
    list.replaceChildren(...found.slice(0, 25).map(([, , s]) => {
      const item = document.createElement('li'), link = document.createElement('a'), words_ = document.createElement('small');
      link.href = `${s.file}#${encodeURIComponent(s.anchor)}`;
      link.textContent = s.heading === s.title ? s.title : say("{title}: {heading}", s);
      link.addEventListener('click', hide);
      words_.append(...marked(s.text, wanted));
      item.append(link, words_);
      return item;
    }));
  };
  input.addEventListener('focus', () => load().catch(() => 0));  // search says it, where it fails
  input.addEventListener('input', event => { if (!event.isComposing) search(); });  // letters on their way to Chinese are no words yet
  input.addEventListener('compositionend', search);
  form.addEventListener('submit', event => { event.preventDefault(); list.querySelector('a')?.focus(); });
  form.parentElement.addEventListener('keydown', event => {
    if (event.isComposing) return;  // the keys choose among characters
    const stops = [input, ...list.querySelectorAll('a')], at = stops.indexOf(document.activeElement);
    if (event.key === 'Escape') { hide(); input.focus(); }
    else if (event.key === 'ArrowDown' && at >= 0 && !panel.hidden) { event.preventDefault(); stops[at + 1]?.focus(); }
    else if (event.key === 'ArrowUp' && at > 0) { event.preventDefault(); stops[at - 1].focus(); }
  });
  document.addEventListener('click', event => { if (!form.parentElement.contains(event.target)) hide(); });
  document.addEventListener('keydown', event => {
    const typing = event.target.closest('input, textarea, select, [contenteditable]');
    if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); input.focus(); }
  });
})();
