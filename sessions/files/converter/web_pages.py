"""HTML to Markdown. Scripts and styles are dropped, links keep their address, nothing is fetched."""

from __future__ import annotations

from bs4 import BeautifulSoup, Comment
from markdownify import MarkdownConverter

DROPPED = (
    *(
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "math",
        "iframe",
        "frame",
        "object",
        "embed",
        "applet",
    ),
    *("head", "canvas", "audio", "video", "source", "link", "meta", "base"),
)


def markdown_of_html(html: str | bytes) -> str:
    """Return the Markdown of a page or a fragment; images are replaced by what they say."""
    soup = BeautifulSoup(html, "html.parser")
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for tag in soup.find_all(DROPPED):
        tag.decompose()
    for image in soup.find_all("img"):
        words = str(image.get("alt") or "").strip()
        image.replace_with(f"[Image: {words}]" if words else "")
    for link in soup.find_all("a"):
        if str(link.get("href") or "").strip().lower().startswith(("javascript:", "data:", "vbscript:")):
            del link["href"]
    converter = MarkdownConverter(
        heading_style="ATX", bullets="-", escape_misc=False, escape_underscores=False
    )
    text = tidy(converter.convert_soup(soup))
    return f"# {title}\n\n{text}" if title and not text.startswith("# ") else text


def tidy(text: str) -> str:
    """Return the text with at most one blank line in a row, and none at its ends."""
    lines: list[str] = []
    for line in (line.rstrip() for line in text.split("\n")):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")
