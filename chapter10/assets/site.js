// The web pages' own script: buttons that copy code, the search, scrolling by keys. Nothing is asked from outside.
(() => {
  'use strict';

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
    button.textContent = 'Copy';
    button.setAttribute('aria-label', 'Copy this code');
    button.addEventListener('click', async () => {
      let said = 'Copied';
      try {
        await put(block.querySelector('code').textContent);
      } catch {
        said = 'Not allowed here: select the code and copy it by hand';
      }
      button.textContent = said;
      button.setAttribute('aria-label', said);
      button.focus();
      setTimeout(() => { button.textContent = 'Copy'; button.setAttribute('aria-label', 'Copy this code'); }, 2000);
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
    script.onerror = () => { loading = null; failed(new Error('site-index.js is missing beside this page')); };
    document.head.append(script);
  });
  const count = (text, word) => text.split(word).length - 1;
  const rank = (section, words) => {
    let sum = 0;
    for (const word of words) {
      const [title, heading, text, names] = section.low.map(part => count(part, word));
      const points = 4 * Math.min(title, 1) + 8 * Math.min(heading, 1) + Math.min(text, 5) + Math.min(names, 1);
      if (!points) return 0;
      sum += points;
    }
    return sum;
  };
  const marked = (text, words) => {  // nodes, never HTML: what was typed stays text
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
    const words = even(input.value).split(/\s+/).filter(Boolean);
    if (!words.length || words.join('').length < 2) return hide();
    panel.hidden = false;
    let sections;
    try {
      sections = await load();
    } catch (error) {
      status.textContent = `The search does not work: ${error.message}.`;
      return;
    }
    const found = sections.map((s, i) => [rank(s, words), i, s]).filter(([points]) => points);
    found.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    status.textContent = found.length > 25 ? `25 of ${found.length} sections` : `${found.length} section${found.length === 1 ? '' : 's'}`;
    list.replaceChildren(...found.slice(0, 25).map(([, , s]) => {
      const item = document.createElement('li'), link = document.createElement('a'), words_ = document.createElement('small');
      link.href = `${s.file}#${encodeURIComponent(s.anchor)}`;
      link.textContent = s.heading === s.title ? s.title : `${s.title}: ${s.heading}`;
      link.addEventListener('click', hide);
      words_.append(...marked(s.text, words));
      item.append(link, words_);
      return item;
    }));
  };
  input.addEventListener('focus', () => load().catch(() => 0));  // search says it, where it fails
  input.addEventListener('input', search);
  form.addEventListener('submit', event => { event.preventDefault(); list.querySelector('a')?.focus(); });
  form.parentElement.addEventListener('keydown', event => {
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
