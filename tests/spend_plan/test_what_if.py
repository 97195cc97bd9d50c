"""The page for other budgets and limits, in a real browser."""

import csv
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sb3_ext.envs.ad_spend import Channel, Market, plan_optimal
from sb3_ext.envs.ad_spend.campaign.simulator import CampaignSimulator
from sb3_ext.envs.ad_spend.market.presets import shock
from sb3_ext.envs.ad_spend.market.randomness import Randomness
from sb3_ext.spend_plan.calendar import period_dates
from sb3_ext.spend_plan.campaign import Campaign
from sb3_ext.spend_plan.page import render_page
from sb3_ext.spend_plan.plan import SpendPlan, make_plan
from sb3_ext.spend_plan.what_if import what_if

HOSTILE = '</script><script>document.title = "hit"</script>,"&amp;'
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="no Chromium and chromedriver here")


def campaign(market: Market, budget: float = 10_000.0, periods: int = 8, low: float = 0.0) -> Campaign:
    dates = period_dates(date(2027, 1, 4), market.period_days, periods)
    return Campaign(market, budget, dates, np.full(len(market.names), low), market.spend_caps(budget, periods))


def market(alpha: float = 1.0) -> Market:
    return Market((
        Channel(HOSTILE, beta=900.0, kappa=600.0, theta=0.5, historical_mean=500.0),
        Channel("tv", beta=2_000.0, kappa=900.0, alpha=alpha, historical_mean=200.0),
        Channel("search", beta=400.0, kappa=100.0, cap=300.0, historical_mean=100.0),
    ), period_days=7.0)  # fmt: skip


@pytest.fixture(scope="module")
def made() -> SpendPlan:
    return make_plan(campaign(market()))


@pytest.fixture(scope="module")
def page(made: SpendPlan) -> str:
    return render_page(made, "sb3-ext plan")


def at(channel: dict[str, Any], money: float, name: str = "value") -> float:
    points = ("at", "value") if name == "value" else (channel["above"][0], channel["above"][1])
    xs, ys = (channel[point] if isinstance(point, str) else point for point in points)
    return float(np.interp(money, xs, ys))


@settings(max_examples=3, deadline=None)
@given(st.sampled_from([1.0, 3.0]), st.sampled_from([0.0, 40.0]), st.floats(0.05, 1.0))
def test_channels_can_be_planned_on_their_own(alpha: float, low: float, share: float) -> None:
    """Every mix of neighbours keeps to the limits, earns about what the data says, and no plan earns more than that."""
    made = make_plan(campaign(market(alpha), periods=4, low=low))
    data = what_if(made)
    assert data is not None
    for index, channel in enumerate(data["channels"]):
        alone = replace(made.campaign.market, channels=(made.campaign.market.channels[index],))
        money = channel["least"] + share * (channel["most"] - channel["least"])
        mixed = np.array([np.interp(money, channel["money"], spend) for spend in np.array(channel["plans"]).T])
        assert mixed.sum() <= money + 0.05
        assert np.all(mixed >= low - 0.01) and np.all(mixed <= made.campaign.cap[index] + 0.01)
        earned = CampaignSimulator(alone, 1e9, 4).plan_value(mixed[:, None])
        most = channel["value"][-1]
        if alone.is_concave:
            assert earned >= at(channel, money) - 1e-4 * most
        best = plan_optimal(alone, max(money, 1e-3), 4, low=low, cap=made.campaign.cap[index], tolerance=1e-6)
        assert at(channel, money, "above") >= best.value - 1e-6 * most
        assert at(channel, money) <= at(channel, money, "above") + 1e-6 * most


def test_long_campaigns_and_plans_without_spend_have_no_what_if() -> None:
    long = Market((Channel("tv", beta=100.0, kappa=10.0),))
    assert what_if(make_plan(campaign(long, periods=131))) is None
    assert what_if(make_plan(campaign(replace(long, spend_cost=1e6)))) is None
    shaped = Market((Channel("tv", beta=100.0, kappa=10.0, alpha=2.0),))
    made = make_plan(campaign(shaped, periods=2))
    drawn = replace(made.campaign, market=replace(shaped, draws=(shaped.channels,) * 25))
    assert what_if(made) is not None and what_if(replace(made, campaign=drawn)) is None
    assert 'id="what-if"' not in render_page(make_plan(campaign(replace(long, spend_cost=1e6), periods=2)), "")


def test_no_name_ends_the_data(page: str) -> None:
    start = page.index('id="what-if-data">') + len('id="what-if-data">')
    data = json.loads(page[start : page.index("</script>", start)])
    assert data["channels"][0]["name"] == HOSTILE
    assert page.count("<script") == page.count("</script>") == 3


class Browser:
    """The page in headless Chromium."""

    def __init__(self, folder: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        options = Options()
        for flag in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "hide-scrollbars"):
            options.add_argument(f"--{flag}")
        options.binary_location = str(BROWSER)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        allowed = "profile.default_content_setting_values.automatic_downloads"
        options.add_experimental_option("prefs", {"download.default_directory": str(folder), allowed: 1})
        self.driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        self.driver.set_page_load_timeout(60)
        self.driver.set_script_timeout(60)
        self.folder, self.opened = folder, 0

    def open(self, page: str, width: int = 1280) -> None:
        self.opened += 1
        path = self.folder / f"plan{self.opened}.html"
        path.write_text(page, encoding="utf-8")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(path.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def set(self, part: str, value: float) -> None:
        self.run(
            'const input = document.querySelector(`[data-part="${arguments[0]}"]`); input.value = arguments[1];'
            "input.dispatchEvent(new Event('input'))",
            part,
            value,
        )

    def text(self, part: str) -> str:
        return str(self.run('return document.querySelector(`[data-part="${arguments[0]}"]`).textContent', part))

    def number(self, part: str) -> float:
        return float(self.text(part).replace(",", "").lstrip("≤ ").rstrip("%"))

    def download(self) -> list[dict[str, str]]:
        path = self.folder / "what-if.csv"
        path.unlink(missing_ok=True)
        self.run("document.querySelector('[data-part=download]').click()")
        for _ in range(100):
            if path.is_file():
                break
            time.sleep(0.1)
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def complaints(self) -> list[Any]:
        return list(self.driver.get_log("browser"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    shown = Browser(tmp_path_factory.mktemp("browser"))
    yield shown
    shown.driver.quit()


@needs_browser
def test_sliders_move_the_plan(made: SpendPlan, page: str, browser: Browser) -> None:
    browser.open(page)
    assert browser.number("earns") == pytest.approx(made.score.value, abs=0.51)
    assert browser.number("gap") <= 0.01
    rows = browser.download()
    spend = [[float(row[f"spend_{name}"]) for name in made.campaign.market.names] for row in rows]
    np.testing.assert_allclose(spend, made.spend, atol=0.011)
    for budget in (4_000.0, 14_000.0, 10_000.0 * 1.03):
        browser.set("exact", budget)
        # The caps are those of the campaign, whatever the budget.
        best = plan_optimal(made.campaign.market, budget, 8, cap=made.campaign.cap)
        earned = browser.number("earns")
        assert earned == pytest.approx(best.value, rel=5e-3)
        assert earned <= best.upper_bound + 1.0
        assert earned * (1.0 + browser.number("gap") / 100.0) >= best.value * (1.0 - 1e-3)
        assert browser.number("gap") <= 2.0
        rows = browser.download()
        total = sum(float(row["spend"]) for row in rows)
        assert budget * 0.999 <= total <= budget + 1e-6
        assert float(rows[-1]["budget_left"]) == pytest.approx(budget - total, abs=0.01)
        spend = np.array([[float(row[f"spend_{name}"]) for name in made.campaign.market.names] for row in rows])
        assert CampaignSimulator(made.campaign.market, 1e9, 8).plan_value(spend) >= earned * (1.0 - 1e-4)
    # A piece for each channel, and the curve of all budgets.
    drawn = 'return document.querySelectorAll(\'[data-part="mixes"] polygon, [data-part="frontier"] .curve\').length'
    assert browser.run(drawn) == 4
    browser.run("document.querySelector('[data-part=reset]').click()")
    assert browser.text("state") == "This is the plan above, to the cent."
    assert browser.complaints() == []


@needs_browser
def test_limits_of_channels_are_kept_to(made: SpendPlan, page: str, browser: Browser) -> None:
    browser.open(page)
    most = what_if(made)["channels"][1]["most"]  # type: ignore[index]
    free = browser.number("earns")
    browser.set("high-1", 10)
    assert browser.number("spend-1") == pytest.approx(0.1 * most, abs=1.0)
    assert browser.number("earns") < free
    browser.set("low-1", 40)
    assert browser.number("spend-1") >= 0.4 * most - 1.0
    browser.set("exact", 1_000.0)
    assert "smallest spends amount to" in browser.text("message")
    assert browser.run("return document.querySelector('[data-part=download]').disabled")
    browser.set("exact", -5.0)
    assert "Give a budget" in browser.text("message")
    browser.set("low-1", 0)
    browser.set("exact", 9_000.0)
    assert browser.text("message") == ""
    assert browser.number("spent") == pytest.approx(9_000.0, abs=1.0)


@needs_browser
def test_it_can_be_used_by_keyboard_and_heard(page: str, browser: Browser) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.open(page)
    slider = browser.driver.find_element(By.ID, "wi-budget")
    slider.send_keys(Keys.ARROW_RIGHT * 5)
    assert float(browser.run("return document.querySelector('[data-part=exact]').value")) == 10_500.0
    assert slider.get_attribute("aria-valuetext") == "10,500"
    time.sleep(0.7)
    assert browser.text("result").startswith("Budget 10,500: earns ")
    unnamed = (
        "return [...document.querySelectorAll('#what-if input')].filter(i => !i.labels.length && !i.ariaLabel).length"
    )
    assert browser.run(unnamed) == 0
    slider.send_keys(Keys.TAB)
    assert browser.run("return document.activeElement.dataset.part") == "exact"


@needs_browser
def test_tables_sort(page: str, browser: Browser) -> None:
    browser.open(page)
    order = (
        "return [...document.querySelectorAll('table.sortable')[0].tBodies[0].rows].map(r => r.cells[1].textContent)"
    )
    click = "document.querySelectorAll('table.sortable')[0].querySelectorAll('th button')[1].click()"
    before = browser.run(order)
    browser.run(click)
    numbers = [float(text.replace(",", "")) for text in browser.run(order)]
    assert numbers == sorted(numbers, reverse=True)
    assert browser.run("return document.querySelectorAll('th[aria-sort=descending]').length") == 1
    browser.run(click)
    assert [float(text.replace(",", "")) for text in browser.run(order)] == sorted(numbers)
    browser.run(click)
    assert browser.run(order) == before
    dates = "return [...document.querySelectorAll('table.sortable')].at(-1)"
    browser.run(f"{dates}.querySelector('th button').click()".removeprefix("return "))
    assert "2027-02-22" in browser.run(f"{dates}.tBodies[0].rows[0].cells[0].textContent")


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_prints_the_certified_plan(page: str, browser: Browser, width: int) -> None:
    browser.open(page, width)
    assert browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert browser.run("return document.title") == "Spend plan"
    assert browser.run("return document.getElementById('what-if').getClientRects().length") == 1
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert browser.run("return document.getElementById('what-if').getClientRects().length") == 0
        assert browser.run("return getComputedStyle(document.querySelector('th button'), '::after').content") == "none"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert browser.complaints() == []


@needs_browser
def test_everything_can_be_read_in_the_dark_and_paper_stays_white(page: str, browser: Browser) -> None:
    """Every text, of charts too, has a contrast of 4.5 with what it stands on (WCAG 2.2, success criterion 1.4.3)."""
    contrasts = """
      const light = color => color.match(/[0-9.]+/g).slice(0, 3).map(x => x / 255)
        .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
        .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = node => { for (; node; node = node.parentElement) {
        const color = getComputedStyle(node).backgroundColor;
        if (!/, 0\\)$/.test(color)) return color; } };
      const texts = [...document.body.querySelectorAll("*")].filter(node => node.getClientRects().length
        && [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim()));
      return texts.map(node => {
        const style = getComputedStyle(node), ink = node.closest("svg") ? style.fill : style.color;
        const [dark, bright] = [light(ink), light(ground(node))].sort((a, b) => a - b);
        return [(bright + 0.05) / (dark + 0.05), node.textContent.trim().slice(0, 40)]; });
    """
    paper = "return getComputedStyle(document.body).backgroundColor"
    media = partial(browser.driver.execute_cdp_cmd, "Emulation.setEmulatedMedia")
    try:
        for scheme in ("dark", "light"):
            media({"media": "", "features": [{"name": "prefers-color-scheme", "value": scheme}]})
            browser.open(page)
            found = browser.run(contrasts)
            assert len(found) > 100 and min(found)[0] >= 4.5, min(found)
            assert (browser.run(paper) == "rgb(255, 255, 255)") == (scheme == "light")
        media({"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        assert browser.run(paper) == "rgb(255, 255, 255)"
    finally:
        media({"media": "", "features": []})
    assert browser.complaints() == []


@needs_browser
def test_s_shaped_and_random_markets_can_be_moved(browser: Browser) -> None:
    browser.open(render_page(make_plan(campaign(market(3.0))), ""))
    for budget in (3_000.0, 15_000.0):
        browser.set("exact", budget)
        best = plan_optimal(market(3.0), budget, 8, cap=market().spend_caps(10_000.0, 8))
        assert 0.93 * best.value <= browser.number("earns") <= best.upper_bound * 1.001
    random = campaign(shock())
    browser.open(render_page(make_plan(random, n_paths=2), ""))
    browser.set("exact", 5_000.0)
    best = plan_optimal(replace(random.market, randomness=Randomness()), 5_000.0, 8, cap=random.cap)
    assert browser.number("earns") == pytest.approx(best.value, rel=1e-2)
    assert browser.complaints() == []
