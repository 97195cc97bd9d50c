import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sb3_ext.envs.ad_spend import Channel, Market
from sb3_ext.spend_plan.command import main

HOSTILE = '<script>alert("x")</script> & $x_2$ 日本'
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """Tags with their attributes, and the visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._hidden = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag in ("style", "script")

    def handle_data(self, data: str) -> None:
        self.text += "" if self._hidden else f" {data}"

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def write_market() -> None:
    """A market with everything that the page can show: long and odd names, draws, season, carry-over, S-shape."""
    channels = (
        Channel(HOSTILE, beta=900.0, kappa=300.0, theta=0.5, historical_mean=100.0, historical_max=150.0),
        Channel("a_very_long_name_of_a_channel_without_any_space_in_it", beta=700.0, kappa=400.0, alpha=2.5),
        *(Channel(f"channel {number}", beta=300.0, kappa=200.0, historical_max=5000.0) for number in range(3)),
    )
    draws = tuple(tuple(replace(c, beta=c.beta * factor) for c in channels) for factor in (0.8, 1.0, 1.3))
    Market(channels, season=(1.0, 1.4, 0.8), draws=draws, spend_cost=0.1).save("market.json")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        write_market()
        arguments = ["--market", "market.json", "--budget", "10000", "--periods", "28", "--start", "2027-01-04"]
        assert main(arguments) == 0
        return Path("plan", "plan.html").read_text(encoding="utf-8")


def test_the_page_is_light_and_loads_nothing(page: str) -> None:
    assert len(page.encode()) < 1_500_000
    parsed = Page(page)
    links = [
        value
        for _, attributes in parsed.tags
        for key, value in attributes.items()
        if key in ("src", "href", "xlink:href", "action", "data", "srcset")
    ]
    assert all(link is not None and link.startswith(("#", "data:")) for link in links)
    assert set(re.findall(r"url\(([^)]*)\)", page)) <= set(re.findall(r"url\((#[^)]*)\)", page))
    assert "@import" not in page
    assert not parsed.all("iframe")
    (policy,) = (str(meta["content"]) for meta in parsed.all("meta") if "http-equiv" in meta)
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy and "script-src 'unsafe" not in policy


def test_names_are_shown_as_they_are(page: str) -> None:
    text = Page(page).text
    assert HOSTILE in text
    assert page.count("<script") == page.count("</script>") == 3


def test_the_page_can_be_read_without_seeing_it(page: str) -> None:
    parsed = Page(page)
    assert parsed.all("html")[0]["lang"] == "en"
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in parsed.all("svg"))
    assert len(parsed.all("figure")) == len(parsed.all("figcaption")) == 7
    assert len(parsed.all("table")) == len(parsed.all("caption")) == 5
    assert all(cell.get("scope") in ("col", "row") for cell in parsed.all("th"))
    identifiers = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    references = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]*)", page))
    assert references <= set(identifiers)


def test_the_page_says_what_an_analyst_needs(page: str) -> None:
    text = " ".join(Page(page).text.split())
    for part in (
        "Before you follow this plan",
        "the plan spends more than the model has ever seen",
        "no plan can earn more than",
        "half forgotten in 1.0 days",
        "Demand varies between 0.80 and 1.40 times the average",
        "less 0.1 per unit of spend",
        "credited for 28 days",
        "Mon 2027-01-04",
        "sb3-ext plan --market market.json --budget 10000 --periods 28 --start 2027-01-04",
        "95% of draws",
        "stable-baselines3",
    ):
        assert part in text, part


def browse(document: str, width: int, folder: Path) -> dict[str, object]:
    """Open a document in a frame of a width; what the browser measured, and what it complained about."""
    assert BROWSER is not None
    script = """
      const frame = document.querySelector("iframe");
      frame.onload = () => setTimeout(() => {
        const root = frame.contentDocument.documentElement;
        const seen = [...root.querySelectorAll("svg")].filter(svg => svg.getClientRects().length);
        document.title = JSON.stringify({
          overflow: root.scrollWidth - root.clientWidth,
          loaded: frame.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name),
          charts: seen.length,
          widest: Math.max(...seen.map(svg => svg.getBoundingClientRect().right)),
        });
      }, 100);
      frame.srcdoc = document.getElementById("page").textContent;
    """
    page = json.dumps(document).replace("<", "\\u003c")
    harness = folder / f"harness-{width}.html"
    harness.write_text(
        f'<!doctype html><meta charset="utf-8"><title>loading</title>'
        f'<iframe style="width:{width}px;height:4000px;border:0"></iframe><b id="page" hidden></b>'
        f"<script>document.getElementById('page').textContent = {page};{script}</script>",
        encoding="utf-8",
    )
    command = [
        BROWSER,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ]
    command += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=4000"]
    done = subprocess.run(
        [*command, "--window-size=1400,4200", "--dump-dom", harness.as_uri()],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return {**json.loads(html.unescape(title[1])), "console": console}


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_complaints(page: str, width: int, tmp_path: Path) -> None:
    shown = browse(page, width, tmp_path)
    assert shown["overflow"] == 0
    assert shown["loaded"] == []
    assert shown["console"] == []
    assert shown["charts"] == 6
    assert isinstance(shown["widest"], (int, float)) and 300 < shown["widest"] <= width


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_the_browser_check_can_fail(tmp_path: Path) -> None:
    wide = '<!doctype html><svg></svg><div style="width:2000px">x</div><script>console.error("no")</script>'
    shown = browse(wide, 390, tmp_path)
    assert shown["overflow"] == 2000 + 8 - 390
    assert shown["console"]
