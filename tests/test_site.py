"""The web pages: exported once, read as files, and opened in a real browser."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from posixpath import normpath
from urllib.parse import unquote

import nbformat
import pytest
from browser import READY, Browser, violations
from hands import KEY_TO_PICTURE, try_figure, try_touch
from shots import shoot_whole

from chapter10.__main__ import main
from chapter10.authoring.generated import CONTENTS, repository
from chapter10.authoring.texts import ROOT
from chapter10.errors import InputError, SaveError
from chapter10.site import LIST, export
from chapter10.site.cells import notebook_body
from chapter10.site.edition import TAGS, editions
from chapter10.site.markup import Headings, Links, markdown, slug
from chapter10.site.search import index, sections

PAGES = ["index", *CONTENTS, "for_teachers"]
CHINESE = [edition.place + file.removesuffix(".html") for edition in editions(ROOT)[1:] for file in edition.files]
NOTEBOOKS = [name for name in [*PAGES, *CHINESE] if Path(name).name in CONTENTS]
OPENED = [*PAGES, *(name for name in ("zh/index", "zh/02_elbo") if name in CHINESE)]  # the same script and style in each language


class Page(HTMLParser):
    """What a file of HTML holds: ids, links, sources, pictures, and its text outside of code and scripts."""

    def __init__(self, path: Path):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.pictures: list[dict[str, str]] = []
        self.language, self.text, self.formulas = "", "", 0
        self._apart = 0
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.loaded += [given["href"]] if tag == "link" else []
        self.loaded += [given[key] for key in ("src", "srcset", "poster", "data") if key in given]
        self.pictures += [given] if tag == "img" else []
        self.formulas += tag == "math"
        if tag == "html":
            self.language = given.get("lang", "")
        self._apart += tag in ("script", "style", "code", "pre")

    def handle_endtag(self, tag: str) -> None:
        self._apart -= tag in ("script", "style", "code", "pre")

    def handle_data(self, data: str) -> None:
        if not self._apart:
            self.text += data


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site") / "pages"
    assert main(["author", "site", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def pages(site) -> dict[str, Page]:
    return {name: Page(site / f"{name}.html") for name in [*PAGES, *CHINESE]}


# ---- the files


def test_every_notebook_has_its_page_and_all_is_small(site):
    assert {path.relative_to(site).as_posix() for path in site.rglob("*.html")} == {f"{name}.html" for name in [*PAGES, *CHINESE]}
    files = [path for path in site.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 25e6
    listed = (site / LIST).read_text("utf-8").split("\n")[:-1]
    assert {path.relative_to(site).as_posix() for path in files} == {*listed, LIST}


def test_every_link_leads_somewhere(site, pages):
    dead, address = [], repository()
    for name, page in pages.items():
        assert len(set(page.ids)) == len(page.ids), name
        for link in page.links:
            if link.startswith("https:"):
                place = re.fullmatch(rf"{re.escape(address)}/(?:blob|tree)/main/([^#]+).*", link)
                dead += [f"{name}: {link}"] if place and not (ROOT / place[1]).exists() else []
                continue
            file, _, anchor = link.partition("#")
            goal = pages.get(normpath(f"{name}/../{file}").removesuffix(".html") if file else name)
            if goal is None or (anchor and unquote(anchor) not in goal.ids):
                dead.append(f"{name}: {link}")
    assert dead == []


def test_the_front_page_and_the_way_lead_to_all_notebooks(pages):
    assert {f"{name}.html" for name in [*CONTENTS, "for_teachers"]} <= set(pages["index"].links)
    for before, after in zip(PAGES[1:], PAGES[2:]):
        assert f"{after}.html" in pages[before].links and f"{before}.html" in pages[after].links


def test_each_notebook_says_how_to_run_it(pages):
    for name in NOTEBOOKS:
        for place in ("https://colab.research.google.com/", "https://mybinder.org/"):
            assert any(link.startswith(place) and f"{name}.ipynb" in link for link in pages[name].links), name


def test_nothing_is_asked_from_another_address(site, pages):
    for name, page in pages.items():
        assert page.language == (TAGS["zh"] if name.startswith("zh/") else "en")
        for source in page.loaded:
            assert source.startswith("data:") or (site / name).parent.joinpath(source).is_file(), (name, source)
    for name in ("site.css", "site-math.css"):
        assert not re.search(r"url\((?!\"data:)|@import|https?:", (site / name).read_text("utf-8"))
    assert not re.search(r"fetch\(|XMLHttpRequest|https?:", (site / "site.js").read_text("utf-8"))


def test_no_page_names_a_folder_of_the_machine(site):
    said = "".join(path.read_text("utf-8") for path in site.rglob("*.html"))
    assert str(ROOT) not in said and str(Path.home()) + "/" not in said


def test_every_picture_has_words_and_its_size(pages):
    for name, page in pages.items():
        for picture in page.pictures:
            assert len(picture.get("alt", "")) > (8 if name.startswith("zh/") else 20), name  # Chinese is shorter
            assert int(picture["width"]) > 0 and int(picture["height"]) > 0
    assert all(page.pictures for name, page in pages.items() if not name.endswith("for_teachers"))


def formulas_of(name: str) -> int:
    """How many formulas a notebook's texts hold, counted without the exporter's parser."""
    count = 0
    for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells:
        shown = [cell.source] if cell.cell_type == "markdown" else []
        shown += [output.get("data", {}).get("text/markdown", "") for output in cell.get("outputs", [])]
        for text in shown:
            bare = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S)
            count += len(re.findall(r"\$\$.+?\$\$|(?<!\\)\$[^$\n]+?\$", bare, re.S))
    return count


def test_every_formula_is_mathml_and_no_dollar_is_left(pages):
    counts = {name: formulas_of(name) for name in NOTEBOOKS}
    assert {name: pages[name].formulas for name in NOTEBOOKS} == counts and sum(counts.values()) > 50
    for name, page in pages.items():
        assert not re.search(r"\$|\\[a-zA-Z]{2,}|\\[({\[]", page.text), name


def test_code_folded_in_a_notebook_is_folded_in_its_page(site):
    for name in CONTENTS:
        cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
        folded = [c for c in cells if c.metadata.get("jupyter", {}).get("source_hidden") and "tags" not in c.metadata]
        page = (site / f"{name}.html").read_text("utf-8")
        assert len(re.findall(r"<details><summary>Code, \d+ lines?</summary>", page)) == len(folded)
        assert "google.colab" not in page


@pytest.mark.parametrize("names", [PAGES, pytest.param(CHINESE, marks=pytest.mark.skipif(not CHINESE, reason="no page is Chinese yet"))])
def test_the_index_has_every_section(site, pages, names):
    folder = (site / names[0]).parent
    text = (folder / "site-index.js").read_text("utf-8")
    found = json.loads(text.removeprefix("window.siteIndex = ").rstrip(";\n"))
    assert [file for file, *_ in found] == [f"{Path(name).name}.html" for name in names]
    for name, (file, title, *parts) in zip(names, found):
        page = pages[name]
        assert parts[0][1] == title and {anchor for anchor, *_ in parts} <= set(page.ids)
        assert len(parts) == len(re.findall(r"<h[1-4] id=", (folder / file).read_text("utf-8")))


def test_twice_gives_the_same_bytes_and_leaves_nothing_old(site, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    (again / "old.html").write_text("old", "utf-8")
    (again / LIST).write_text("old.html\n../kept.txt\n", "utf-8")
    (tmp_path / "kept.txt").write_text("kept", "utf-8")
    sizes = export(again)
    assert not (again / "old.html").exists() and (tmp_path / "kept.txt").exists()
    for name in sizes:
        assert (again / name).read_bytes() == (site / name).read_bytes(), name


# ---- where it can't be written, and what can't be shown


def test_a_place_that_does_not_serve_is_told(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("mine", "utf-8")
    with pytest.raises(InputError, match="is a file"):
        export(file)
    with pytest.raises(SaveError, match="could not be written"):
        export(file / "site")
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(file, mine / "thesis.txt")
    assert main(["author", "site", "--out", str(mine)]) == 2
    assert "not from an earlier export" in capsys.readouterr().err
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"] and file.read_text("utf-8") == "mine"


def test_without_a_clone_or_without_outputs_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match="no folder notebooks"):
        export(tmp_path / "site", root=tmp_path)
    ignored = shutil.ignore_patterns("*.ipynb", ".*")
    for name in ("README.md", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("notebooks", "chapter10/assets"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    bare = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4)
    for cell in bare.cells:
        cell.update({"outputs": []} if cell.cell_type == "code" else {})
    nbformat.write(bare, tmp_path / "notebooks" / "00_start_here.ipynb")
    with pytest.raises(InputError, match="00_start_here.ipynb has no outputs"):
        export(tmp_path / "site", root=tmp_path)
    assert list(tmp_path.glob("site/*")) == []


LINKS = Links(ROOT, "https://example.org/repo", {"notebooks/04_vae.ipynb": "04_vae.html"})


@pytest.mark.parametrize(["url", "goal"], [
    ("04_vae.ipynb", "04_vae.html"),
    ("04_vae.ipynb#What-was-measured", "04_vae.html#what-was-measured"),
    ("#3.-The-game", "#3-the-game"),
    ("../chapter10/vae.py", "https://example.org/repo/blob/main/chapter10/vae.py"),
    ("../chapter10/live", "https://example.org/repo/tree/main/chapter10/live"),
    ("https://example.org/x#y", "https://example.org/x#y"),
])  # fmt: skip
def test_where_a_link_leads(url, goal):
    assert LINKS.resolve(url, "notebooks") == goal


@pytest.mark.parametrize("url", ["13_gone.ipynb", "../../outside.md"])
def test_a_dead_link_is_told(url):
    with pytest.raises(InputError, match="no such file"):
        LINKS.resolve(url, "notebooks")


def render(text: str) -> str:
    return markdown(text, Headings(), lambda url: url, "a text")


def test_formulas_stand_beside_code_with_dollars():
    shown = render("Set `$HOME` and $x < y$:\n\n$$\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}$$\n\n```\n$5\n```")
    assert shown.count("<math") == 2 and "<code>$HOME</code>" in shown and ">$5<" in shown
    assert "&lt;" in shown and shown.count("<mtr>") == 2
    with pytest.raises(InputError, match=r"a text: the formula '.*nosuchcommand.*' can't be written"):
        render(r"$\nosuchcommand{x}$")


def test_headings_of_one_name_get_anchors_of_their_own():
    headings = Headings()
    markdown("## Exercise: β\n\n## Exercise: β\n\n## ?", headings, lambda url: url, "a text")
    assert [anchor for _, anchor, _ in headings.found] == ["exercise-β", "exercise-β-1", "part"]
    assert slug("2. The ELBO, again") == "2-the-elbo-again"


def one_cell(**output: object) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output(**output)])
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# T"), cell])


def test_outputs_are_shown_as_what_they_are():
    def shown(**output: object) -> str:
        return notebook_body(one_cell(**output), "04_vae", LINKS, "").html

    assert "a &lt; b" in shown(output_type="stream", name="stdout", text="\x1b[31ma < b\x1b[0m\n")
    assert "&lt;b&gt;" in shown(output_type="display_data", data={"text/plain": "<b>"})
    assert "<em>so</em>" in shown(output_type="display_data", data={"text/markdown": "*so*", "text/plain": "?"})
    with pytest.raises(InputError, match="without alt text"):
        shown(output_type="display_data", data={"image/png": "iVBORw0KGgo="})
    with pytest.raises(InputError, match="can't show"):
        shown(output_type="display_data", data={"application/pdf": ""})


def test_the_index_splits_at_headings_and_keeps_scripts_out():
    body = (
        '<h1 id="t">T</h1><p>one <em>tw</em>o</p><script>var no</script><h2 id="s">S <math><mi>x</mi></math></h2>'
        "<pre><code>gaussian_kl(mu)</code></pre><p>end</p>"
    )
    assert sections(body) == [("t", "T", "one two", ""), ("s", "S x", "end", "gaussian_kl")]
    assert b"</script" not in index({"a.html": ("T", '<h1 id="t">T</h1><p>&lt;/script&gt;</p>')})


def test_the_workflow_builds_the_site_and_runs_nothing():
    workflow = (ROOT / ".github" / "workflows" / "pages.yml").read_text("utf-8")
    commands = re.findall(r"^ +- run: (.+)$", workflow, re.M)
    assert commands == ["python -m pip install -e .", "python -m chapter10 author site --out site"]
    assert re.search(r"uses: actions/upload-pages-artifact@v\d+\n +with:\n +path: site\n", workflow)
    assert "uses: actions/deploy-pages@v" in workflow and "pages: write" in workflow and "id-token: write" in workflow
    assert "/site/" in (ROOT / ".gitignore").read_text("utf-8").split("\n")


def test_the_workflow_brings_chromium_and_keeps_what_the_tests_saw():
    workflow = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")
    brought, ran, kept = (workflow.index(step) for step in ("playwright install --with-deps chromium", "run: .ci/run", "upload-artifact@v"))
    assert brought < ran < kept
    assert "CHAPTER10_SCREENSHOTS: ${{ github.workspace }}/screenshots\n" in workflow and " path: screenshots\n" in workflow
    assert "/screenshots/" in (ROOT / ".gitignore").read_text("utf-8").split("\n")


# ---- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    page = Browser()
    yield page
    page.close()


@pytest.fixture
def page(browser) -> Iterator[Browser]:
    """The browser, held after each test to an empty console and to files and data."""
    browser.problems.clear()
    browser.requests.clear()
    yield browser
    assert browser.problems == []
    assert {url.split(":")[0] for url in browser.requests} <= {"file", "data", "about"}


def until(page: Browser, condition: str, what: str) -> None:
    end = time.monotonic() + 20
    while not page.js(condition):
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.mark.parametrize("name", OPENED)
def test_a_page_shows_itself_and_its_live_figures_answer_every_key_and_finger(site, pages, page, name):
    began = time.monotonic()
    page.open(site / f"{name}.html")
    if pages[name].pictures:
        first = "document.querySelector('main img, main canvas')"
        until(page, f"(e => e.tagName === 'CANVAS' || e.complete && e.naturalWidth > 0)({first})", "no first picture")
        assert time.monotonic() - began < 5  # 2 s are wanted; a busy machine gets more
    drawn_here = re.findall(r'<div class="c10(?: c10-photo)?" data-ch10="\w+"( data-wire)?>', (site / f"{name}.html").read_text("utf-8"))
    count = drawn_here.count("")
    until(page, f"{READY} === {count}", "a figure does not live")
    stills = "document.querySelectorAll('.c10[data-wire]:has(.c10-still):not(:has(input, canvas))')"
    assert page.js(f"{stills}.length") == len(drawn_here) - count  # what a kernel draws stays as it was stored
    wrong = []
    for i in range(count):
        figure = f"document.querySelectorAll('.c10:not([data-wire])')[{i}]"
        tried = try_figure(page, figure, "scrollY")
        assert tried.controls and tried.frames > 10
        found = [*tried.wrong, *tried.too_slow(KEY_TO_PICTURE), *try_touch(page, figure)]
        wrong += [f"figure {i + 1}: {what}" for what in found]
    assert wrong == []
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=False)
    assert page.js("document.documentElement.scrollWidth") <= 390
    page.call("Emulation.clearDeviceMetricsOverride")


def test_formulas_are_drawn_with_the_font_that_comes_along(site, pages, page):
    """Every sign of every formula: another font would show that the one in chapter10/assets lacks it. Chinese is the reader's own."""
    for domain in ("DOM", "CSS"):
        page.call(f"{domain}.enable")
    seen = 0
    for name in (name for name in OPENED if pages[name].formulas):
        page.open(site / f"{name}.html")
        page.js("document.fonts.ready.then(() => 0)")
        page.js(
            "document.querySelectorAll('mtext').forEach(e => e.toggleAttribute('data-han', /\\p{Script=Han}/u.test(e.textContent)))"
        )
        root = page.call("DOM.getDocument", depth=0)["root"]["nodeId"]
        for node in page.call("DOM.querySelectorAll", nodeId=root, selector="mi, mo, mn, mtext:not([data-han])")["nodeIds"]:
            fonts = page.call("CSS.getPlatformFontsForNode", nodeId=node)["fonts"]
            assert all(font["isCustomFont"] for font in fonts), (name, fonts)
            seen += bool(fonts)
    assert seen > 500
    for domain in ("CSS", "DOM"):
        page.call(f"{domain}.disable")


def test_every_picture_of_a_page_loads(site, page):
    page.open(site / "04_vae.html")
    page.js("[...document.images].forEach(i => { i.loading = 'eager'; })")
    until(page, "[...document.images].every(i => i.complete && i.naturalWidth > 0)", "a picture is missing")


def find(page: Browser, words: str) -> list[str]:
    """Types into the search; the links that it shows."""
    page.js("(i => { i.value = ''; i.focus(); })(document.getElementById('site-query'))")
    page.js("document.querySelector('#site-found p').textContent = ''")
    page.call("Input.insertText", text=words)
    until(page, "/^\\d+ /.test(document.querySelector('#site-found p').textContent)", "the search says nothing")
    return page.js("[...document.querySelectorAll('#site-found a')].map(a => a.getAttribute('href'))")


@pytest.mark.parametrize(["words", "goal"], [
    ("posterior collapse", "08_beta_vae_and_collapse.html"),
    ("Dirac-GAN", "05_minimax_game.html"),
    ("bernoulli_log_likelihood", "02_elbo.html"),
    ("nbgrader", "for_teachers.html"),
])  # fmt: skip
def test_the_search_finds(site, pages, page, words, goal):
    page.open(site / "index.html")
    found = find(page, words)
    assert any(link.startswith(goal) for link in found)
    for link in found:
        file, _, anchor = link.partition("#")
        assert unquote(anchor) in pages[file.removesuffix(".html")].ids


def test_a_section_with_the_word_in_its_heading_comes_first(site, page):
    page.open(site / "index.html")
    assert find(page, "posterior collapse")[0].startswith("08_beta_vae_and_collapse.html")


def test_the_search_goes_by_keys(site, page):
    page.open(site / "06_gan.html")
    page.js("document.activeElement.blur()")
    page.call("Input.dispatchKeyEvent", type="keyDown", key="/", code="Slash", text="/", windowsVirtualKeyCode=191)
    assert page.js("document.activeElement.id") == "site-query"
    found = find(page, "collapse annealing")
    page.key("ArrowDown", 40)
    assert page.js("document.activeElement.getAttribute('href')") == found[0]
    page.key("ArrowDown", 40)
    assert page.js("document.activeElement.getAttribute('href')") == found[1]
    page.key("ArrowUp", 38)
    page.key("Escape", 27)
    assert page.js("document.getElementById('site-found').hidden && document.activeElement.id === 'site-query'")
    assert find(page, "xyzzyplugh") == []
    assert page.js("document.querySelector('#site-found p').textContent") == "0 sections"
    find(page, "<b onfocus=alert(1)>")
    assert page.js("document.querySelectorAll('#site-found b').length") == 0


def test_code_is_copied(site, page):
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.open(site / "02_elbo.html")
    cells = nbformat.read(ROOT / "notebooks" / "02_elbo.ipynb", as_version=4).cells
    source = next(c for c in cells if c.cell_type == "code" and "tags" not in c.metadata).source
    button = "document.querySelector('.code button')"
    assert page.js("document.querySelectorAll('.code').length === document.querySelectorAll('.code button').length")
    page.js(f"{button}.scrollIntoView({{block: 'center'}})")
    x, y = page.js(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({button}.getBoundingClientRect())")
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        page.mouse(kind, x, y)
    until(page, f"{button}.textContent === 'Copied'", "the button does not say that it copied")
    assert page.js("navigator.clipboard.readText()") == source


def test_the_keyboard_reaches_the_content_and_is_seen(site, page):
    page.open(site / "02_elbo.html")
    page.key("Tab", 9)
    assert page.js("document.activeElement.className") == "skip"
    assert page.js("document.activeElement.getBoundingClientRect().x") >= 0
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13)
    page.call("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)
    until(page, "document.activeElement.id === 'content'", "the skip link leads nowhere")
    seen = set()
    for _ in range(25):
        page.key("Tab", 9)
        tag, inside, style, width, opacity = page.js(
            "(e => { const s = getComputedStyle(e);"
            " return [e.tagName, !!e.closest('main'), s.outlineStyle, parseFloat(s.outlineWidth), s.opacity]; })"
            "(document.activeElement)"
        )
        assert inside and style != "none" and width >= 2 and opacity == "1", tag
        seen.add(tag)
    assert {"A", "BUTTON", "INPUT", "SUMMARY"} <= seen


CONTRAST = """
(() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const kinds = 'p, li, a, h1, h2, td, th, summary, caption, code, .code span, button, .said, math, small, output, label';
  const poor = new Set();
  for (const e of document.querySelectorAll(kinds)) {
    if (!e.textContent.trim()) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) poor.add(`${e.tagName}.${e.className}`);
  }
  return [getComputedStyle(document.body).backgroundColor, [...poor]];
})()"""


@pytest.mark.parametrize("name", OPENED)
def test_both_themes_can_be_read(site, page, name):
    """By the contrast of all text, and by what axe-core finds; and a picture of each for a person."""
    grounds = set()
    for theme in ("light", "dark"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        page.open(site / f"{name}.html")
        ground, poor = page.js(CONTRAST)
        assert poor == [], theme
        assert violations(page, "html") == [], theme
        shoot_whole(page, "site", name, theme)
        grounds.add(ground)
    page.call("Emulation.setEmulatedMedia", features=[])
    assert len(grounds) == 2


def test_without_scripts_nothing_dead_is_shown(site, page):
    page.call("Emulation.setScriptExecutionDisabled", value=True)  # of the page's own; questions are still answered
    page.open(site / "02_elbo.html")
    still = "document.querySelector('.c10-still')"
    shown = page.js(f"[{still}.complete && {still}.naturalWidth > 0, document.querySelector('.search').hidden]")
    buttons = page.js("document.querySelectorAll('main button, main input, main canvas').length")
    page.call("Emulation.setScriptExecutionDisabled", value=False)
    assert shown == [True, True] and buttons == 0
