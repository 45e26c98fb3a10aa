"""Reading the pages that `report` writes."""

import xml.etree.ElementTree as ET
from base64 import b64decode
from html.parser import HTMLParser

import pytest


class Elements(HTMLParser):
    """Tags and attributes of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.found, self.words = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="session")
def check_page():
    """The function that reads a page of `report`."""
    return _check_page


def _check_page(path):
    """The figures' captions and the text of a page that asks for no other file."""
    page = Elements(path.read_text(encoding="utf-8"))
    captions = []
    for tag, attributes in page.found:
        assert tag not in {"script", "link", "iframe", "object"}
        for name in ("src", "href"):
            if name in attributes:
                start = "data:image/svg+xml;base64,"
                assert attributes[name].startswith(start)
                picture = ET.fromstring(b64decode(attributes[name][len(start) :]))
                assert picture.tag.endswith("svg")
        if tag == "img":
            captions.append(attributes["alt"])
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in (
        page.found
    )
    return captions, page.words
