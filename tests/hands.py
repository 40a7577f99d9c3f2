"""A live figure in a reader's hands: every control by its keys, sliders by a finger too, and what each frame shows meanwhile."""

import sys
from dataclasses import dataclass, field

from browser import Browser

from chapter10.bench_live import WATCH

MOVES = {"slider": 4, "first slider": 20, "fields": 4, "select": 1, "check": 1, "radio": 1, "button": 1}
ALONG = ("slider", "first slider", "fields")  # controls that are moved along, and show the way in the picture
# ms from a key to the picture, at most; `bench live` holds a quiet machine to 30 in the page, and to 100 through the kernel.
KEY_TO_PICTURE, THROUGH_THE_KERNEL = 100, 300
ANSWERS = 3000  # ms in which a control must have led to a new picture
# `seen` is of bench_live's WATCH: "shown" is the time from the key to the end of the frame with the new picture.
HANDS = """
window.hands = {
  controls: root => {
    const all = s => [...root.querySelectorAll(s)], sliders = all('input[type=range]'), found = [];
    // At the smallest scale a film may have a single picture: then there is nothing to move, and nothing to play.
    if (sliders.length && sliders.every(e => +e.min === +e.max)) return [];
    sliders.forEach((e, i) => found.push([i ? 'slider' : 'first slider', e]));
    all('.c10-fields').forEach(e => found.push(['fields', e]));
    all('select').filter(e => e.options.length > 1).forEach(e => found.push(['select', e]));
    all('input[type=checkbox]').forEach(e => found.push(['check', e]));
    all('input[type=radio]').forEach(e => found.push(['radio', e]));
    all('button').filter(e => !e.closest('.c10-fields')).forEach(e => found.push(['button', e]));
    return found;
  },
  name: e => e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent.slice(0, 30),
  // Where a slider serves one choice of a menu only, that choice.
  enable: async (root, e) => {
    for (const menu of root.querySelectorAll('select')) for (const option of menu.options) {
      if (!e.disabled) return;
      menu.value = option.value;
      menu.dispatchEvent(new Event('change', {bubbles: true}));
      await hands.frame();
    }
  },
  frame: () => new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f))),
  reach: async (root, i) => {
    const [kind, e] = hands.controls(root)[i];
    if (e.disabled) await hands.enable(root, e);
    hands.at = kind === 'fields' ? e.querySelector('[tabindex="0"]') : e;
    hands.at.scrollIntoView({block: 'center'});
    hands.at.focus({preventScroll: true});
  },
  pictures: root => [...root.querySelectorAll('canvas, img')].filter(e => e.getClientRects().length),
  small: Object.assign(document.createElement('canvas'), {width: 64, height: 64}),
  blank: e => {
    if (e.tagName === 'IMG' && !(e.complete && e.naturalWidth) || !e.clientWidth || !e.clientHeight) return true;
    const g = hands.small.getContext('2d', {willReadFrequently: true});
    g.imageSmoothingQuality = 'high';
    g.clearRect(0, 0, 64, 64);
    g.drawImage(e, 0, 0, 64, 64);
    const pixels = new Uint32Array(g.getImageData(0, 0, 64, 64).data.buffer);
    return pixels.every(p => p === pixels[0]);
  },
  picture: root => hands.pictures(root).map(e => e.tagName === 'IMG' ? e.src : e.toDataURL()).join('|'),
  state: root => hands.picture(root) + root.innerText + [...root.querySelectorAll('input, select')].map(e => e.value + e.checked).join(),
  // What must change: of what is moved along, the picture.
  shows: (root, along) => along ? hands.picture(root) : hands.state(root),
  // In every frame: are as many pictures there as at the beginning, with something on them, and is the output as high?
  watch: root => {
    const box = root.closest('.jp-Cell-outputWrapper, .output') || root, count = hands.pictures(root).length;
    const told = hands.told = {frames: 0, blank: 0, heights: []};
    const look = () => {
      if (told !== hands.told) return;
      const now = hands.pictures(root), height = Math.round(10 * box.getBoundingClientRect().height) / 10;
      told.frames++;
      told.blank += now.length < count || now.some(hands.blank);
      if (!told.heights.includes(height)) told.heights.push(height);
      requestAnimationFrame(look);
    };
    look();
  },
  // [whether it changed, ms from the key to the picture]
  answered: (root, before, along, ms) => new Promise(yes => {
    const end = performance.now() + ms;
    const look = () => (along ? seen.shown !== null : hands.state(root) !== before) || performance.now() > end
      ? yes([hands.shows(root, along) !== before, seen.shown]) : requestAnimationFrame(look);
    look();
  }),
};
0"""


@dataclass
class Tried:
    """What came of it: `wrong` in words, how many controls and frames there were, and the ms from each key of a slider to its picture."""

    wrong: list[str] = field(default_factory=list)
    controls: int = 0
    frames: int = 0
    ms: list[float] = field(default_factory=list)

    def too_slow(self, most: float) -> list[str]:
        """In words, where even the quickest quarter of the times reaches above `most`: what else the machine does only adds to them.

        Buttons do more than draw, and aren't in it.
        """
        quick = sorted(self.ms)[len(self.ms) // 4] if self.ms else 0.0
        return [f"{quick:.0f} ms from a key to its picture"] if quick > most else []


def ready(page: Browser) -> None:
    """Makes the page's own part of this module, once a load; a figure must be there."""
    if not page.js("!!window.hands"):
        page.js(WATCH)
        page.js(HANDS)


def press(page: Browser, kind: str) -> None:
    """The key that moves the control that has the focus."""
    if kind in ("button", "check"):
        key, name, code, text = ("Enter", "Enter", 13, "\r") if kind == "button" else (" ", "Space", 32, " ")
        for what, more in (("keyDown", {"text": text}), ("keyUp", {})):
            page.call("Input.dispatchKeyEvent", type=what, key=key, code=name, windowsVirtualKeyCode=code, **more)
        return
    back = page.js(
        "(e => e.tagName === 'SELECT' ? e.selectedIndex === e.options.length - 1 : e.type === 'range' ? +e.value >= +e.max"
        " : !e.nextElementSibling)(document.activeElement)"
    )
    along = ("ArrowUp", 38, "ArrowDown", 40) if kind == "select" else ("ArrowLeft", 37, "ArrowRight", 39)
    page.key(*along[:2] if back else along[2:])


def answered(page: Browser, kind: str) -> tuple[bool, float | None]:
    """Whether one press changed what is shown, and the ms until a new picture was there, if one came."""
    along = "true" if kind in ALONG else "false"
    page.js(f"seen.shown = null; window.before = hands.shows(figure, {along}); 0")
    press(page, kind)
    return page.js(f"hands.answered(figure, before, {along}, {ANSWERS})")


def try_figure(page: Browser, root: str, steady: str = "0") -> Tried:
    """Every control of the figure `root` (an expression) by its keys.

    Wrong is: a control that takes no focus or shows none, or changes nothing; a frame with a blank picture; a change of height;
    anything that `steady` (an expression) tells and that was otherwise before the keys.
    """
    ready(page)
    tried = Tried()
    controls = page.js(f"(window.figure = {root}, hands.controls(figure).map(([kind, e]) => [kind, hands.name(e)]))")
    tried.controls = len(controls)
    if page.js("hands.pictures(figure).some(hands.blank)"):
        tried.wrong.append("a picture is blank before anything is moved")
    for i, (kind, name) in enumerate(controls):
        what = f"{kind} “{name}”"
        page.js(f"hands.reach(figure, {i})")
        before = page.js(f"JSON.stringify({steady})")
        focus = page.js(
            "(s => [document.activeElement === hands.at, s.outlineStyle, parseFloat(s.outlineWidth)])(getComputedStyle(hands.at))"
        )
        if focus[0] is not True or focus[1] == "none" or focus[2] < 2:
            tried.wrong.append(f"{what}: focus is not taken or not seen: {focus}")
            continue
        page.js("hands.watch(figure)")
        changed = 0
        for _ in range(MOVES[kind]):
            if kind == "select" and sys.platform == "darwin":
                break  # there the key opens the menu, which is the system's own
            new, shown = answered(page, kind)
            changed += new
            tried.ms += [shown] if shown is not None and kind in ALONG else []
        else:
            changed = changed or ends_differ(page, kind) or kind == "button" and undoes(page, i, controls)
            if not changed:
                tried.wrong.append(f"{what}: changes nothing")
        told = page.js("(t => (hands.told = null, t))(hands.told)")
        tried.frames += told["frames"]
        if told["blank"]:
            tried.wrong.append(f"{what}: {told['blank']} of {told['frames']} frames lack a picture")
        if len(told["heights"]) > 1:
            tried.wrong.append(f"{what}: the output's height changes: {told['heights']}")
        after = page.js(f"JSON.stringify({steady})")
        if after != before:
            tried.wrong.append(f"{what}: the keys moved something else, {before} to {after}")
    return tried


def ends_differ(page: Browser, kind: str) -> bool:
    """Whether the ends of a slider give different pictures: one that sets what comes later shows itself there."""
    if kind not in ("slider", "first slider"):
        return False
    page.key("Home", 36)
    page.js("hands.frame().then(() => { window.before = hands.picture(figure); })")
    page.key("End", 35)
    return page.js("hands.frame().then(() => hands.picture(figure) !== before)")


def undoes(page: Browser, i: int, controls: list[list[str]]) -> bool:
    """Whether the button, which had nothing to undo, does so after another control was moved."""
    for other, (kind, _) in enumerate(controls):
        if other != i and kind != "button":
            page.js(f"hands.reach(figure, {other})")
            answered(page, kind)
            page.js(f"hands.reach(figure, {i})")
            if answered(page, "button")[0]:
                return True
    return False


def try_touch(page: Browser, root: str) -> list[str]:
    """A finger on each slider, a quarter from the end that is farther; what goes wrong."""
    ready(page)
    wrong = []
    sliders = page.js(f"(window.figure = {root}, hands.controls(figure).filter(([kind]) => kind.endsWith('slider')).length)")
    for i in range(sliders):
        name, x, y, width, share = page.js(
            f"hands.reach(figure, {i}).then(() => {{ window.picture = hands.picture(figure); seen.shown = null;"
            " const e = hands.at, b = e.getBoundingClientRect();"
            " return [hands.name(e), b.left, b.top + b.height / 2, b.width, (e.value - e.min) / (e.max - e.min)]; })"
        )
        goal = 0.25 if share > 0.5 else 0.75
        point = [{"x": x + goal * width, "y": y}]
        page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=point)
        page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        now = page.js("(e => (e.value - e.min) / (e.max - e.min))(hands.at)")
        drew = page.js(f"hands.answered(figure, picture, true, {ANSWERS})")[0] or ends_differ(page, "slider")
        if abs(now - goal) > 0.5 * abs(share - goal) or not drew:
            wrong.append(f"slider “{name}”: touched at {goal}, it stands at {now:.2f}, and the picture {'changed' if drew else 'stays'}")
    return wrong

