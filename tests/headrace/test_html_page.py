"""Pages of reports."""

from headrace import html_page


def test_a_page_has_its_parts_under_its_title_and_titles_of_parts_are_text():
    page = html_page.render("a &lt; b", [html_page.section("<i>", "<p>body</p>")], ".own { }")
    assert page.startswith("<!doctype html>")
    assert "<title>a &lt; b</title>" in page
    assert ".own { }</style>" in page
    assert "<h1>a &lt; b</h1>\n<section><h2>&lt;i&gt;</h2>\n<p>body</p></section>\n</body>" in page


def test_a_table_has_a_head_only_where_there_is_something_to_say():
    assert html_page.table(["x", "y"], [["a", "1"]]) == (
        '<div class="scroll"><table><thead><tr><th>x</th><th class="number">y</th></tr></thead>'
        '<tbody><tr><td>a</td><td class="number">1</td></tr></tbody></table></div>'
    )
    assert html_page.table(["", ""], [["a", "b"]], "wt") == (
        '<div class="scroll"><table><tbody><tr><td class="word">a</td><td>b</td></tr></tbody>'
        "</table></div>"
    )
