"""The page's style sheet: light and dark, phone and desk, paper; no web font, no picture.

The eight contestant colours keep a contrast of at least 3 to 1 with their background and differ
for colour-blind eyes (after Okabe and Ito, "Color Universal Design", 2008, darkened for light
pages); markers and dashes say the same without colour.
"""

from __future__ import annotations

__all__ = ["STYLE"]

_LIGHT = ("#0069b4", "#c24e00", "#00795c", "#a3438f", "#7a6200", "#0e7f99", "#b3261e", "#4d4d4d")
_DARK = ("#6cb6ff", "#ff9d5c", "#4fd0a3", "#e39ad2", "#e3c14b", "#6ad4ea", "#ff8f87", "#c9c9c9")


def _colours(values: tuple[str, ...]) -> str:
    return "".join(f".c{i}{{--c:{value}}}" for i, value in enumerate(values))


STYLE = (
    """
:root{color-scheme:light dark;--bg:#fbfaf8;--card:#fff;--ink:#1b1d21;--soft:#565b64;
--rule:#e2dfd9;--grid:#ebe8e2;--good:#00694f;--bad:#a8320b;--open:#5c5f66;--tint:#f1efea}
"""
    + _colours(_LIGHT)
    + """
@media (prefers-color-scheme:dark){:root{--bg:#14161a;--card:#1c1f25;--ink:#eceef1;--soft:#a6acb7;
--rule:#32363e;--grid:#2a2e36;--good:#58d3a8;--bad:#ff9d78;--open:#b3b9c4;--tint:#252932}"""
    + _colours(_DARK)
    + """}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);line-height:1.5;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header.top,footer{max-width:68rem;margin:0 auto;padding:0 1.25rem}
header.top{padding-top:2.5rem}
.kicker{margin:0;color:var(--soft);font-size:.85rem;letter-spacing:.06em;text-transform:uppercase}
h1{font-size:clamp(1.4rem,1.1rem + 1.5vw,2rem);line-height:1.2;font-weight:650;
letter-spacing:-.012em;margin:.5rem 0 .9rem;max-width:54rem;overflow-wrap:anywhere;
text-wrap:balance}
h1 .evidence{display:block;font-size:.6em;line-height:1.4;font-weight:400;letter-spacing:0;
color:var(--soft);margin-top:.45rem}
h2{font-size:1.2rem;line-height:1.3;margin:2.6rem 0 .3rem}
h3{font-size:1rem;margin:0 0 .3rem;overflow-wrap:anywhere}
p{margin:.4rem 0;max-width:44rem}
.lede{font-size:1.05rem}
.soft,figcaption,caption,.note{color:var(--soft);font-size:.9rem}
.facts{display:flex;flex-wrap:wrap;gap:.4rem;padding:0;margin:1rem 0 0;list-style:none}
.facts li{background:var(--tint);border-radius:99px;padding:.15rem .75rem;font-size:.88rem;
overflow-wrap:anywhere}
.caution{border-left:4px solid var(--bad);background:var(--card);padding:.6rem .9rem;
margin:1rem 0;max-width:48rem}
ul.verdicts{list-style:none;padding:0;margin:1rem 0 0;max-width:52rem}
ul.verdicts li{display:flex;gap:.8rem;padding:.55rem 0;border-top:1px solid var(--rule);
overflow-wrap:anywhere}
ul.verdicts li>span:last-child{flex:1;min-width:0}
.badge{flex:none;align-self:flex-start;min-width:5.6rem;text-align:center;font-size:.8rem;
font-weight:600;border:1.5px solid currentColor;border-radius:99px;padding:.05rem .55rem}
.badge.files{border-style:dashed}
.better{color:var(--good)}.worse{color:var(--bad)}.open{color:var(--open)}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;padding:0;margin:.5rem 0 0;list-style:none;
font-size:.9rem}
.legend li{display:flex;align-items:center;gap:.45rem;overflow-wrap:anywhere;min-width:0}
.legend svg,td svg,th svg{flex:none;width:36px;height:16px;vertical-align:-2px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem;
margin-top:.9rem}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:12px;
padding:1rem 1rem .8rem;min-width:0}
figure svg{display:block;width:100%;height:auto;max-width:40rem}
figcaption{margin-top:.3rem}
.narrow{display:none}
@media (max-width:34rem){.wide{display:none}.narrow{display:block}figure{padding:.8rem .5rem}
header.top{padding-top:1.6rem}main,header.top,footer{padding-left:1rem;padding-right:1rem}
ul.verdicts li{flex-direction:column;gap:.3rem}
.scroll thead{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.scroll table,.scroll caption,.scroll tbody,.scroll tr,.scroll tbody th{display:block}
.scroll tr{border-top:1px solid var(--rule);padding:.5rem .9rem}
.scroll tbody th{padding:.1rem 0;border:0;max-width:none}
.scroll td{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.2rem 0;
white-space:normal}
.scroll td::before{content:attr(data-head);color:var(--soft);text-align:left;font-size:.85rem;
overflow-wrap:anywhere}
.scroll td:has(span:empty){display:none}}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--rule);border-radius:12px;
margin-top:.9rem}
.scroll:focus-visible{outline:3px solid var(--good);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.93rem}
caption{text-align:left;padding:.8rem .9rem .2rem}
caption b{color:var(--ink);font-size:1rem}
th,td{padding:.5rem .75rem;text-align:right;vertical-align:top;border-top:1px solid var(--rule);
white-space:nowrap}
thead th{color:var(--soft);font-weight:500;font-size:.85rem;border-top:0;vertical-align:bottom}
th:first-child,td:first-child{text-align:left}
tbody th{font-weight:600;max-width:17rem;white-space:normal;overflow-wrap:anywhere;
min-width:11.5rem}
td .badge{font-size:.78rem;display:inline-block}
td small{display:block;color:var(--soft);font-size:.82rem}
dl{max-width:48rem}dt{font-weight:600;margin-top:.8rem}dd{margin:.1rem 0 0}
pre{background:var(--tint);border-radius:8px;padding:.8rem 1rem;overflow-x:auto;font-size:.85rem;
white-space:pre-wrap;overflow-wrap:anywhere}
details{margin:.5rem 0;max-width:52rem}summary{cursor:pointer;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr));gap:1rem;
margin-top:.9rem}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;
padding:.9rem 1rem;min-width:0}
.card table{font-size:.88rem}.card th,.card td{padding:.25rem 0 .25rem .7rem}
.card th:first-child,.card td:first-child{padding-left:0;font-weight:400;min-width:0}
footer{margin:3rem auto 2.5rem;color:var(--soft);font-size:.88rem}
text{fill:var(--ink);font-size:13px;font-family:inherit}
.grid{stroke:var(--grid)}.base{stroke:var(--soft)}.zero{stroke:var(--ink);stroke-width:1.5}
.tick{fill:var(--soft);font-size:12px}.axis{fill:var(--soft);font-size:12.5px}
.side{fill:var(--soft);font-size:12.5px;font-weight:600}
.name{font-weight:600}.value{font-variant-numeric:tabular-nums}
.bar{stroke:var(--c);stroke-width:3.5}.cap{stroke:var(--c);stroke-width:2}
.part{stroke:var(--c);stroke-width:1.8;opacity:.75}
.joint{stroke:var(--c);stroke-width:1.2}
.mean{fill:var(--c);stroke:var(--card);stroke-width:1.2}
.hollow{fill:var(--card);stroke:var(--c);stroke-width:2}
.dot{fill:var(--c);fill-opacity:.35;stroke:var(--c);stroke-width:1}
.curve{stroke:var(--c);stroke-width:2.4;stroke-linejoin:round}
.run{stroke:var(--c);stroke-width:1;opacity:.3}
@media print{body{background:#fff}.scroll,figure,.card{break-inside:avoid}}
"""
)
