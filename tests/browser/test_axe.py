"""Of elements that look alike axe-core is asked of one; none that looks otherwise gets lost."""

import pytest
from playwright.sync_api import Browser

from tests.browser.axe import off_the_page, violations

LINE = '<div class="line"><span class="word">{}</span></div>'
PAGE = """<!doctype html><html lang="en"><head><title>A page</title>
<style>body { background: #fff; color: #222; } .word { color: #333; }
.pale .word { color: #ddd; }</style></head><body><main><h1>A page</h1>%s</main></body></html>"""


def contrast(browser: Browser, content: str, within: str | None = None, **more: bool) -> list[str]:
    page = browser.new_page()
    page.set_content(PAGE % content)
    found = violations(page, within, **more)
    page.close()
    assert {one["id"] for one in found} <= {"color-contrast"}
    return [node["html"] for one in found for node in one["nodes"]]


@pytest.mark.parametrize(
    "other",
    [
        '<div class="line"><span class="word" style="color: #ddd">faint</span></div>',
        '<div class="line" style="background: #444"><span class="word">faint</span></div>',
        '<div class="line" style="opacity: 0.3"><span class="word">faint</span></div>',
        '<div class="pale"><div class="line"><span class="word">faint</span></div></div>',
        '<div class="line"><span class="word">fine <b style="color: #ddd">faint</b></span></div>',
    ],
)
def test_one_that_looks_otherwise_among_a_hundred_is_found(browser, other):
    hundred = [LINE.format(number) for number in range(100)]
    found = contrast(browser, "".join([*hundred[:50], other, *hundred[50:]]))
    assert len(found) == 1 and "faint" in found[0]


def test_of_a_hundred_that_are_faint_in_one_way_one_is_told(browser):
    faint = f'<div class="pale">{LINE.format("faint") * 100}</div>'
    assert len(contrast(browser, faint)) == 1
    assert len(contrast(browser, faint, only_colours=True)) == 1
    assert contrast(browser, faint + '<p id="fine">fine</p>', "#fine") == []
    assert contrast(browser, '<p id="none"></p>', "#none") == []


CODE = "<pre>%s</pre><style>.k { color: #06c; }</style>"
TOKENS = '<span class="k">for</span> <span class="n">name</span>\n' * 50


@pytest.mark.parametrize(
    "token",
    [
        '<span class="k" style="color: #ddd">faint</span>',
        '<span class="k" style="background: #048">faint</span>',
        '<span class="pale"><span class="word">faint</span></span>',
        '<span class="k"><span style="opacity: 0.3">faint</span></span>',
    ],
)
def test_a_token_that_looks_otherwise_is_found_among_those_that_are_off_the_page(browser, token):
    found = contrast(browser, CODE % (TOKENS + token + TOKENS))
    assert len(found) == 1 and "faint" in found[0]


def test_a_token_that_does_more_than_say_words_stays_and_all_are_back_afterwards(browser):
    page = browser.new_page()
    page.set_content(PAGE % CODE % (TOKENS + '<span class="k" role="button"></span>' + TOKENS))
    before = page.content()
    assert [one["id"] for one in violations(page)] == ["aria-command-name"]
    assert page.content().replace(' data-one-of-each=""', "") == before
    page.close()


def test_what_was_off_the_page_is_back_where_it_was_even_after_an_error(browser):
    page = browser.new_page()
    page.set_content(PAGE % LINE.format("one") * 3)
    before = page.content()
    with pytest.raises(ZeroDivisionError), off_the_page(page, ".line"):
        assert page.locator(".word").count() == 0
        raise ZeroDivisionError
    assert page.content() == before
    page.close()
