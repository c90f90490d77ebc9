"""The page of a report: whole, self-contained, and with every foreign text escaped."""

import base64
import re
from decimal import Decimal
from html.parser import HTMLParser

from hftd.analytics.html import html_of
from hftd.analytics.report import report_of
from hftd.analytics.session import SessionStory
from hftd.analytics.svg import round_values
from hftd.domain.commands import SignalRaised, SubmitOrder
from hftd.domain.events import TradingHalted
from hftd.domain.orders import OrderRequest, Side
from tests.analytics.told import DAY, Script, id_of, round_trip

EVIL = "<script>alert('x')</script>\"&"


class Page(HTMLParser):
    """The tags, addresses and text of a page; every tag that is opened must be closed."""

    VOID = frozenset({"meta", "path", "br", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("href", "src", "action")]
        if tag not in self.VOID or tag == "path":
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_loads_nothing():
    page = Page(html_of(report_of([round_trip().story()])))
    assert page.tags.count("svg") == 3
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert [address[:21] for address in page.addresses] == ["data:text/csv;base64,"]
    assert "P&L" in page.text and "+19.00" in page.text


def test_the_log_can_be_taken_from_the_page_as_csv():
    page = Page(html_of(report_of([round_trip().story()])))
    log = base64.b64decode(page.addresses[0].split(",", 1)[1]).decode()
    assert log.startswith("timestamp,symbol,action") and log.count("\n") == 3


def test_text_of_models_symbols_and_brokers_is_escaped_everywhere():
    script = Script(EVIL).open()
    request = OrderRequest(id_of(1) + EVIL, EVIL, Side.BUY, Decimal(1))
    raised = SignalRaised(EVIL, EVIL, Side.BUY, Decimal(1), EVIL)
    script.bar(100.0, raised, SubmitOrder(EVIL, request, 100.0, EVIL, EVIL), symbol=EVIL)
    script.bar(100.0, symbol=EVIL).add(TradingHalted(script.now_ns, EVIL, EVIL))
    text = html_of(report_of([script.story()], [EVIL], title=EVIL))
    assert "<script" not in text
    assert Page(text).tags.count("svg") == 3


def test_a_report_of_nothing_is_a_page_that_says_so():
    page = Page(html_of(report_of([SessionStory(DAY)], ["the journal is empty"])))
    assert "the journal is empty" in page.text
    assert page.tags.count("svg") == 0


def test_many_fills_share_one_mark_for_each_side():
    script = Script().open()
    for _ in range(201):
        script.trade(Side.BUY, 1, 100.0, 100.0).trade(Side.SELL, 1, 100.0, 100.0)
    text = html_of(report_of([script.story()]))
    assert len(re.findall(r'<path class="(?:buy|sell)"', text)) == 2


def test_axes_have_round_values():
    assert round_values(99.7, 104.3, 4) == [100.0, 102.0, 104.0]
    assert round_values(5.0, 5.0, 4) == [5.0]
