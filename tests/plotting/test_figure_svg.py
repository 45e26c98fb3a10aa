import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt

from sksubsel.plotting._style import figure_svg


def draw():
    figure, ax = plt.subplots()
    ax.plot([0, 1], [1, 0], label="a < b")
    ax.legend()
    return figure


def test_the_same_bytes_each_time():
    first, second = draw(), draw()
    content = figure_svg(first)
    assert content == figure_svg(second)
    assert not plt.get_fignums()
    root = ET.fromstring(content)
    assert root.tag.endswith("svg")
    links = [value for node in root.iter() for name, value in node.items() if "href" in name]
    assert links
    assert all(value.startswith("#") for value in links)  # nothing outside of the file
    assert b"<text" not in content
