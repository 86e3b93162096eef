"""The report's page in a real browser: sorted, narrowed, followed, printed, on a phone and in the dark."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser import Window, window
from tests.report.conftest import Made

REPORTS = Path(__file__).parents[2] / "reports"

SHOWN = """
const column = [...document.querySelectorAll(`#table-${arguments[0]} thead th`)]
  .findIndex((head) => head.innerText.replace(/\\s+/g, " ").startsWith(arguments[1]));
return [...document.querySelectorAll(`#table-${arguments[0]} tbody tr`)].filter((row) => !row.hidden)
  .map((row) => row.cells[column].innerText);
"""
PRESS = """
[...document.querySelectorAll(`#table-${arguments[0]} thead button`)]
  .find((button) => button.innerText.replace(/\\s+/g, " ").startsWith(arguments[1])).click();
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Window]:
    with window() as opened:
        yield opened


@pytest.fixture
def page(browser: Window, whole: Made) -> Window:
    browser.emulate(1280, 900)
    browser.open(whole.out / "index.html")
    return browser


def numbers(texts: list[str]) -> list[float]:
    return [float(re.sub(r"[^\d.].*", "", text)) for text in texts]


def choose(page: Window, name: str, value: str) -> None:
    page.run(
        """
        const label = [...document.querySelectorAll("#choose label")].find((l) => l.firstChild.data === arguments[0]);
        const select = label.querySelector("select");
        select.value = arguments[1];
        select.dispatchEvent(new Event("change"));
        """,
        name, value,
    )  # fmt: skip


@pytest.mark.parametrize("path", sorted(REPORTS.glob("*/index.html")), ids=lambda path: path.parent.name)
def test_a_committed_page_asks_for_nothing_and_complains_of_nothing(path: Path, browser: Window) -> None:
    browser.open(path)
    assert browser.complaints() == []
    assert not [url for url in browser.requests() if not url.startswith(("data:", "file:"))]


def test_the_page_asks_for_nothing_and_complains_of_nothing(page: Window) -> None:
    page.run(PRESS, "runs", "seed")
    choose(page, "trainer", "backprop")
    assert page.complaints() == []
    asked = [url for url in page.requests() if not url.startswith("data:")]
    assert asked == [page.driver.current_url]


def test_a_heading_sorts_numbers_by_value_one_way_and_then_the_other(page: Window) -> None:
    page.run(PRESS, "runs", "training time")
    rising = numbers(page.run(SHOWN, "runs", "training time"))
    page.run(PRESS, "runs", "training time")
    assert rising == sorted(rising) != rising[::-1]
    assert numbers(page.run(SHOWN, "runs", "training time")) == rising[::-1]
    assert page.run("return document.querySelectorAll('#table-runs [aria-sort=descending]').length") == 1
    page.run(PRESS, "runs", "seed")
    assert page.run("return document.querySelectorAll('#table-runs [aria-sort]').length") == 1


def test_unknown_values_come_last_both_ways(browser: Window, bad: Made) -> None:
    browser.open(bad.out / "index.html")
    for _ in range(2):
        browser.run(PRESS, "runs", "test error")
        known = [text != "\u2013" for text in browser.run(SHOWN, "runs", "test error")]
        assert True in known and False in known and known == sorted(known, reverse=True)


def test_the_keyboard_sorts_and_chooses(page: Window) -> None:
    from selenium.webdriver.common.keys import Keys

    button = page.driver.find_element("css selector", "#table-runs thead button")
    button.send_keys(Keys.ENTER)
    assert page.run("return document.querySelector('#table-runs th').getAttribute('aria-sort')") == "ascending"
    select = page.driver.find_element("css selector", "#choose select")
    select.send_keys(Keys.ARROW_DOWN)
    assert page.run("return document.querySelectorAll('tbody tr[hidden]').length") > 0


def test_a_choice_narrows_every_table_that_has_the_column_and_says_how_far(page: Window) -> None:
    before = page.run(SHOWN, "runs", "trainer")
    choose(page, "trainer", "backprop")
    choose(page, "network", "mlp 8x500")
    assert set(page.run(SHOWN, "runs", "trainer")) == set(page.run(SHOWN, "summary", "trainer")) == {"backprop"}
    assert set(page.run(SHOWN, "comparisons", "network")) == {"mlp 8x500"}
    said = page.run("return document.querySelector('#choose output').innerText")
    rows = page.run("return document.querySelectorAll('tbody tr:not([hidden])').length")
    assert re.fullmatch(r"\d+ of \d+ rows shown", said) and int(said.split()[0]) <= rows
    choose(page, "trainer", "")
    choose(page, "network", "")
    assert page.run(SHOWN, "runs", "trainer") == before
    assert page.run("return document.querySelector('#choose output').innerText") == ""


def test_every_link_leads_somewhere(page: Window, whole: Made) -> None:
    links = page.run("return [...document.links].map((a) => a.getAttribute('href'))")
    assert sum("runs/" in link for link in links) >= 12
    for link in links:
        if link.startswith("#"):
            assert page.run("return document.getElementById(arguments[0]) !== null", link[1:]), link
        else:
            assert (whole.out / link).exists(), link
    link = page.driver.find_element("css selector", "#table-runs tbody a")
    page.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", link)  # from under the heading
    link.click()
    assert "record.json" in page.driver.page_source


def test_a_point_leads_to_the_row_of_its_run(page: Window) -> None:
    links = "return [...document.querySelectorAll(`#figure-${arguments[0]} svg a`)].map((a) => a.getAttribute('href'))"
    rows = page.run("return [...document.querySelectorAll('#table-runs tbody tr')].map((row) => '#' + row.id)")
    for figure, panels in (("pareto", 2), ("accuracy", 1)):
        assert sorted(h for h in page.run(links, figure) if h.startswith("#run-")) == sorted(rows * panels), figure
    choose(page, "trainer", "forward-forward")  # which hides the row that is asked for
    point = page.driver.find_element("css selector", "#figure-pareto a[href$='ba-mlp-8x500-mnist-s1'] circle")
    page.run("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", point)
    row = page.driver.find_element("css selector", "tr:target")
    assert row.get_attribute("id") == "run-ba-mlp-8x500-mnist-s1" and row.is_displayed()
    assert page.run("return document.querySelectorAll('tbody tr[hidden]').length") == 0
    assert page.run("return [...document.querySelectorAll('#choose select')].every((choice) => choice.value === '')")
    page.run("document.querySelector('tr:target').scrollIntoView({behavior: 'instant'})")
    head, target = page.run(
        "return ['#table-runs thead', 'tr:target'].map((s) => document.querySelector(s).getBoundingClientRect())"
    )
    assert target["top"] >= head["bottom"] - 1, "the row is hidden by the heading"


def test_points_can_be_reached_seen_and_heard_by_keyboard(page: Window) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> int:
        """Presses keys; returns which mark of the first panel has the focus, -1 for none of them."""
        ActionChains(page.driver).send_keys(*keys).perform()
        return page.run("return window.marks.indexOf(document.activeElement)")  # type: ignore[no-any-return]

    count = page.run("""
        window.panel = document.querySelector("#figure-pareto .panels svg");
        window.marks = [...panel.querySelectorAll("a")];
        marks[0].focus();
        return marks.length;
    """)
    assert page.run("return marks.filter((a) => a.tabIndex === 0).length") == 1, "a panel is one stop"
    assert page.run("return panel.getAttribute('role')") == "group", "links inside an image would not be heard"
    assert press(Keys.ARROW_RIGHT) == 1
    ring = page.run("return getComputedStyle(document.activeElement.querySelector('circle')).stroke")
    assert ring == page.run("return getComputedStyle(document.body).color")
    said = page.run("return document.activeElement.querySelector('title').textContent")
    assert said.startswith("backprop, mlp 3x500 on MNIST, seed ")
    assert press(Keys.ARROW_LEFT, Keys.ARROW_LEFT) == count - 1
    wanted = page.run("return document.activeElement.getAttribute('href')")
    assert press(Keys.TAB) == -1
    page.run("marks.at(-1).focus()")
    press(Keys.ENTER)
    assert page.run("return location.hash") == wanted


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(page: Window, width: int) -> None:
    page.emulate(width, 800)
    assert page.run("return document.documentElement.scrollWidth") <= width
    wide = """
    return [...document.querySelectorAll("h1, h2, p, figure, svg.panel, select, nav a")]
      .filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80));
    """
    assert page.run(wide) == []


def contrast(ink: str, paper: str) -> float:
    """Contrast ratio of two colours as "rgb(r, g, b)" (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(ink), luminance(paper)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_in_light_and_dark(page: Window, scheme: str) -> None:
    page.emulate(1280, 900, scheme)
    paper = page.run("return getComputedStyle(document.body).backgroundColor")
    shown = page.run(
        """
        return [...document.querySelectorAll("h1, p, td, th button, figcaption p, .audit strong, svg text")]
          .map((e) => getComputedStyle(e)[e.tagName === "text" ? "fill" : "color"]);
        """
    )
    assert (contrast("rgb(0, 0, 0)", paper) > 10) == (scheme == "light")
    assert min(contrast(ink, paper) for ink in set(shown)) >= 4.5


def test_it_prints_with_its_figures_and_without_its_controls(page: Window, tmp_path: Path) -> None:
    printed = base64.b64decode(page.driver.print_page())
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page/") >= 2
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    hidden = page.run(
        "return ['nav', '.files', '#choose'].map((s) => getComputedStyle(document.querySelector(s)).display)"
    )
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert hidden == ["none"] * 3
