"""The web pages in two languages, on a made-up pair of notebooks: where they lie, what they say, what their search finds."""

import gettext
import io
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from babel.messages import mofile
from babel.messages.catalog import Catalog
from browser import Browser, violations

from chapter10 import language
from chapter10.authoring import catalogue
from chapter10.authoring.texts import ROOT, notebook_path, text_path
from chapter10.figures import img
from chapter10.site import LIST, export
from chapter10.site.edition import editions
from chapter10.site.markup import Headings, markdown
from chapter10.site.search import sections

COLLAPSE, START, ELBO = "08_beta_vae_and_collapse", "00_start_here", "02_elbo"
ENGLISH = {
    START: "# 00 · Start\n\n[Open in Colab](x)\n\nThe prior is $p(z)$.\n\n## Sampling\n\nSee [08](08_beta_vae_and_collapse.ipynb).",
    ELBO: "# 02 · The ELBO\n\nA bound.",
    COLLAPSE: "# 08 · Collapse\n\nWhat β does.\n\n## When the posterior collapses\n\nA VAE whose posterior collapse is complete.",
}
CHINESE = {
    START: "# 00 · 开始\n\n[在 Colab 中打开](x)\n\n先验是 $p(z)$，$\\text{重构}$。\n\n## 采样\n\n抽一个*编\n码*，见 "
    "[08](08_beta_vae_and_collapse.ipynb)；[02](02_elbo.ipynb) 和[英文](../00_start_here.ipynb)也讲 VAE。\n\n先验讲完，再讲后\n验。",
    COLLAPSE: "# 08 · 崩溃\n\nβ 有什么用。\n\n## 后验什么时候崩溃\n\n这个 VAE 的后验崩溃了：编码不再带信息。",
}
ENTRIES = {
    "Search": "搜索",
    "On this page": "本页内容",
    "Copy": "复制",
    "Copied": "已复制",
    "{count} sections": "{count} 节",
    "1 section": "1 节",
    ("Code, {count} line", "Code, {count} lines"): ("代码，{count} 行",),
    "These notebooks are there in English only so far:": "只有英文版：",
}
README = """# {title}

<!-- badges -->
<!-- /badges -->

{words}

![{alt}](chapter10/assets/overview.png)

<!-- table -->
<!-- /table -->

## {start}

<!-- clone -->
<!-- /clone -->

## {credits}

MIT, [LICENSE](LICENSE).
"""


def write(texts: dict[str, str], root: Path, spoken: str, runs: tuple[str, ...]) -> None:
    """Notebooks with a cell of code and its picture; those that are not in `runs` have a text alone."""
    picture = (ROOT / "chapter10" / "assets" / "overview.png").read_bytes()
    one = {
        "text/html": img(
            picture, "数字和它们的重构" if spoken == "zh" else "Digits and their reconstructions"
        )
    }
    for name, text in texts.items():
        text_path(name, root, spoken).parent.mkdir(parents=True, exist_ok=True)
        text_path(name, root, spoken).write_text(text, "utf-8")
        if name in runs:
            shown = nbformat.v4.new_code_cell("vae = 1", metadata={"jupyter": {"source_hidden": True}})
            shown.outputs = [nbformat.v4.new_output("display_data", data=one)]
            cells = [nbformat.v4.new_markdown_cell(text), shown, nbformat.v4.new_code_cell("x = 1")]
            nbformat.write(nbformat.v4.new_notebook(cells=cells), notebook_path(name, root, spoken))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A repository of three English notebooks; of the Chinese ones the second was not run."""
    root = tmp_path_factory.mktemp("root")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, root)
    write(ENGLISH, root, "en", tuple(ENGLISH))
    write({**CHINESE, ELBO: "# 02 · 下界"}, root, "zh", tuple(CHINESE))
    places = ("title", "words", "alt", "start", "credits")
    for file, said in [
        (
            "README.md",
            ("By experiment", "Notebooks.", "Digits and their reconstructions", "Start", "Credits"),
        ),
        ("README.zh.md", ("用实验来读", "这些笔记本。", "数字和它们的重构", "开始", "致谢")),
    ]:
        (root / file).write_text(README.format(**dict(zip(places, said))), "utf-8")
    (root / "notebooks" / "for_teachers.md").write_text(
        "# For teachers\n\nPlans.\n\n## Lessons\n\nTwo.\n", "utf-8"
    )
    return root


@pytest.fixture(scope="module")
def site(root, tmp_path_factory) -> Path:
    """Exported with a catalogue of a few entries."""
    made, content = Catalog(locale="zh"), io.BytesIO()
    for key, value in ENTRIES.items():
        made.add(key, value)
    mofile.write_mo(content, made)
    content.seek(0)
    chinese = gettext.GNUTranslations(content)
    out = tmp_path_factory.mktemp("site") / "pages"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            language, "catalogue", lambda name: chinese if name == "zh" else gettext.NullTranslations()
        )
        export(out, root=root)
    return out


def test_an_edition_has_what_was_run_and_what_is_shared_lies_there_once(site):
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    there = {"index.html", f"{START}.html", f"{COLLAPSE}.html"}
    assert pages == {*there, f"{ELBO}.html", "for_teachers.html", *(f"zh/{name}" for name in there)}
    other = {path.name for path in (site / "zh").iterdir() if path.suffix != ".html"}
    assert other == {"site-index.js"} and len(list(site.glob("pictures/*.png"))) == 1
    assert "zh/index.html" in (site / LIST).read_text("utf-8").splitlines()


def test_each_page_leads_to_itself_in_the_other_language_and_nowhere_else(site):
    for name in ("index", START, COLLAPSE):
        english, chinese = (
            (site / f"{name}.html").read_text("utf-8"),
            (site / "zh" / f"{name}.html").read_text("utf-8"),
        )
        assert '<html lang="en">' in english and '<html lang="zh-CN">' in chinese
        assert f'<a class="language" href="zh/{name}.html" hreflang="zh-CN" lang="zh-CN">中文</a>' in english
        assert f'<a class="language" href="../{name}.html" hreflang="en" lang="en">English</a>' in chinese
        other = re.compile(r'<link rel="alternate" hreflang="([^"]+)" href="([^"]+)">')
        assert other.findall(english) == [("en", f"{name}.html"), ("zh-CN", f"zh/{name}.html")]
        assert other.findall(chinese) == [("en", f"../{name}.html"), ("zh-CN", f"{name}.html")]
        for shared in (
            'href="../site.css"',
            'src="../site.js"',
            'src="../overview.png"' if name == "index" else 'src="../pictures/',
        ):
            assert shared in chinese and shared.replace("../", "") in english
    for name in (ELBO, "for_teachers"):
        assert "hreflang" not in (site / f"{name}.html").read_text("utf-8")


def test_links_stay_in_the_language_while_there_is_a_page(site):
    page = (site / "zh" / f"{START}.html").read_text("utf-8")
    assert f'<a href="{COLLAPSE}.html">08</a>' in page and f'<a href="../{START}.html">英文</a>' in page
    assert f'<a href="../{ELBO}.html">02</a>' in page
    front = (site / "zh" / "index.html").read_text("utf-8")
    assert f'<a href="{START}.html">' in front and f'href="{ELBO}.html"' not in front
    assert f'只有英文版：</p>\n<ul>\n<li><a href="../{ELBO}.html">{ELBO}</a></li>' in front
    assert 'href="../for_teachers.html"' in front and "README.zh.md#开始" in unquote(front)


def test_the_page_says_its_own_words_in_its_language(site):
    page = (site / "zh" / f"{START}.html").read_text("utf-8")
    assert (
        ">搜索</label>" in page
        and "<summary>本页内容</summary>" in page
        and "<summary>代码，1 行</summary>" in page
    )
    said = json.loads(re.search(r'<script type="application/json" id="site-said">(.*?)</script>', page)[1])
    assert said == {key: ENTRIES[key] for key in ("Copy", "Copied", "{count} sections", "1 section")}
    english = (site / f"{START}.html").read_text("utf-8")
    assert ">Search</label>" in english and 'id="site-said">{}</script>' in english


def test_what_the_script_says_is_found_for_the_catalogue():
    found = {found.id for found in catalogue.of_scripts() if found.place.endswith("site.js")}
    assert {"Copy", "Copied", "1 section", "{count} sections"} <= found
    script = (ROOT / "chapter10" / "assets" / "site.js").read_text("utf-8")
    assert not re.search(
        r"(?:textContent = |aria-label', )['\"`]", script
    )  # nothing is said past the catalogue


def test_without_a_chinese_notebook_the_site_is_english(root, tmp_path):
    alone = tmp_path / "root"
    shutil.copytree(root, alone, ignore=shutil.ignore_patterns("zh"))
    assert [edition.language for edition in editions(alone)] == ["en"]
    out = tmp_path / "网页 中文"  # a folder's name may be Chinese, whatever the pages are
    sizes = export(out, root=alone)
    assert not any(name.startswith("zh/") for name in sizes)
    pages = list(out.glob("*.html"))
    assert pages and not any("hreflang" in path.read_text("utf-8") for path in pages)


# ---- the index


def test_a_chinese_word_is_whole_in_the_index_across_lines_and_marks():
    body = markdown(
        "# 题\n\n后\n验**崩\n溃**。再\n*讲*一遍：`x`\n和 VAE\nand GAN", Headings(), lambda url: url, "a text"
    )
    [(_, heading, text, _)] = sections(body)
    assert heading == "题" and text == "后验崩溃。再讲一遍：x 和 VAE and GAN"
    code = markdown("```\n后\n验\n```", Headings(), lambda url: url, "a text")
    assert "后\n验" in code


def test_each_language_has_its_own_index(site):
    for place, has, has_not in [("", "posterior collapse", "后验"), ("zh/", "后验崩溃", "posterior")]:
        text = (site / f"{place}site-index.js").read_text("utf-8")
        assert has in text and has_not not in text
    found = json.loads(text.removeprefix("window.siteIndex = ").rstrip(";\n"))
    assert [file for file, *_ in found] == ["index.html", f"{START}.html", f"{COLLAPSE}.html"]


# ---- in a browser


@pytest.fixture(scope="module")
def page(site) -> Iterator[Browser]:
    page = Browser()
    yield page
    assert page.problems == [] and {url.split(":")[0] for url in page.requests} <= {"file", "data", "about"}
    page.close()


def find(page: Browser, words: str) -> tuple[str, list[str]]:
    """Types into the search; what it says, and the links that it shows."""
    page.js("(i => { i.value = ''; i.focus(); })(document.getElementById('site-query'))")
    page.js("document.querySelector('#site-found p').textContent = ''")
    page.call("Input.insertText", text=words)
    end = time.monotonic() + 20
    while not (said := page.js("document.querySelector('#site-found p').textContent")):
        assert time.monotonic() < end, "the search says nothing"
        time.sleep(0.02)
    return said, page.js(
        "[...document.querySelectorAll('#site-found a')].map(a => decodeURIComponent(a.getAttribute('href')))"
    )


WHEN = f"{COLLAPSE}.html#后验什么时候崩溃"


@pytest.mark.parametrize(["words", "first"], [
    ("后验崩溃", WHEN),
    ("VAE 后验崩溃", WHEN),
    ("vae后验崩溃", WHEN),  # without a space
    ("后验为什么会崩溃？", WHEN),  # as one asks
    ("先验", f"{START}.html#00--开始"),
    ("抽", f"{START}.html#采样"),  # one character is a word
    ("抽一个编码", f"{START}.html#采样"),  # which the text has across the end of a line
    ("ＶＡＥ　编码", f"{START}.html#采样"),  # as an input method may write it
])  # fmt: skip
def test_the_search_finds_chinese(site, page, words, first):
    page.open(site / "zh" / "index.html")
    told, found = find(page, words)
    assert found[0] == first and told == f"{len(found)} 节"


def test_the_search_of_the_english_pages_finds_english(site, page):
    page.open(site / "index.html")
    told, found = find(page, "posterior collapse")
    assert found[0] == f"{COLLAPSE}.html#when-the-posterior-collapses" and told == f"{len(found)} sections"
    assert find(page, "后验崩溃") == ("0 sections", [])


def test_letters_on_their_way_to_chinese_are_no_query(site, page):
    page.open(site / "zh" / "index.html")
    page.js("document.getElementById('site-query').focus()")
    page.call("Input.imeSetComposition", text="hou", selectionStart=3, selectionEnd=3)
    page.js("new Promise(f => setTimeout(f, 100))")
    assert page.js(
        "[document.getElementById('site-query').value, document.getElementById('site-found').hidden]"
    ) == ["hou", True]
    page.call("Input.insertText", text="后验")  # the choice among characters
    end = time.monotonic() + 20
    while not page.js("document.querySelectorAll('#site-found mark').length"):
        assert time.monotonic() < end, "what was chosen is not looked for"
        time.sleep(0.02)
    assert set(page.js("[...document.querySelectorAll('#site-found mark')].map(m => m.textContent)")) == {
        "后验"
    }


def test_a_click_leads_to_the_same_page_in_the_other_language(site, page):
    page.open(site / f"{START}.html")
    for language_, ending, word in (("zh-CN", f"/zh/{START}.html", "复制"), ("en", f"/{START}.html", "Copy")):
        page.page.click("a.language")
        there = "document.querySelector('main img')?.naturalWidth > 0 && !!document.querySelector('.code button')"
        end = time.monotonic() + 20
        while not page.js(f"location.pathname.endsWith('{ending}') && {there}"):  # the page's script makes the button
            assert time.monotonic() < end
            time.sleep(0.05)
        assert page.js("[document.documentElement.lang, document.querySelector('.code button').textContent]") == [language_, word]


def test_chinese_is_set_as_chinese(site, page):
    page.open(site / "zh" / f"{START}.html")
    style = page.js(
        "(s => [s.fontFamily, s.lineBreak])(getComputedStyle(document.querySelector('main > p')))"
    )
    assert {"PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC"} <= {
        font.strip(' "') for font in style[0].split(",")
    }
    assert (
        style[1] == "strict"
        and page.js("getComputedStyle(document.querySelector('em')).fontStyle") == "normal"
    )
    page.open(site / f"{START}.html")
    assert "PingFang" not in page.js("getComputedStyle(document.querySelector('main > p')).fontFamily")


@pytest.mark.parametrize("width", [390, 1200])
def test_both_pages_serve_everyone(site, page, width):
    """By axe-core, on the front page and a notebook's; nothing is wider than the window."""
    page.page.set_viewport_size({"width": width, "height": 900})
    for name in ("index", START):
        page.open(site / "zh" / f"{name}.html")
        assert violations(page, "html") == []
        assert page.js("document.documentElement.scrollWidth") <= width
    page.page.set_viewport_size({"width": 1200, "height": 1000})
